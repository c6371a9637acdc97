SELECT EXISTS (SELECT 1 FROM tidings_life_goes_on) AS goes_on, identity <> here AS restored, here <> tidings_here() AS moved
FROM tidings_cluster
