SELECT * FROM tidings_claim_suspect($1, $2, $3, $4, $5)
