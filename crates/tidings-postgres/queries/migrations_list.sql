SELECT module, version, name, applied_at FROM tidings_migrations
ORDER BY module <> 'tidings', module, version
