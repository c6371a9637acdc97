SELECT id, about, consumers, generations, jobs FROM tidings_workers WHERE expires_at > clock_timestamp()
