-- What `ml-pipeline switch` reads and writes.

-- name: set_kill_switch(name, is_on, reason, actor, subject)$
SELECT set_kill_switch(:name, :is_on, :reason, :actor, :subject);

-- name: kill_switches()
-- How each kill switch stands that was ever touched.
SELECT name, subject, is_on, reason, actor, set_at FROM current_kill_switches ORDER BY name, subject;

-- name: experiments()
SELECT DISTINCT name FROM ml_experiments ORDER BY name;

-- name: left_out()
-- Running experiments that the policy in force leaves out as broken.
SELECT entry ->> 'name' AS name, entry ->> 'fault' AS fault
FROM policy CROSS JOIN jsonb_array_elements(document -> 'left_out') AS entry
ORDER BY 1, 2;
