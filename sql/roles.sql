-- The three roles, least privilege; the launcher (or the operator) gives them their passwords.
--   ml_capture     the agent: may call the one door and read the policy
--   ml_jobs        the batch side: works on facts, writes records
--   ml_dashboards  reads
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['ml_capture', 'ml_jobs', 'ml_dashboards'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', wanted);
        END IF;
    END LOOP;
END $$;
