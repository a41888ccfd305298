-- Roles and databases of the embedded stack. Names and passwords cannot be parameters of such statements, so each query
-- returns the statement to run, quoted by the server, or nothing where it is not needed.
-- The version of the program that owns a database stands in the database's comment once its schema is complete: a
-- database without one was cut off while it was made.

-- name: create_role(role)$
SELECT format('CREATE ROLE %%I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', :role)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :role);

-- name: set_password(role, password)$
SELECT format('ALTER ROLE %%I PASSWORD %%L', :role, :password);

-- name: create_database(database, owner)$
SELECT format('CREATE DATABASE %%I OWNER %%I', :database, :owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :database);

-- name: drop_unfinished_database(database)$
SELECT format('DROP DATABASE %%I WITH (FORCE)', datname)
FROM pg_database
WHERE datname = :database AND shobj_description(oid, 'pg_database') IS NULL;

-- name: close_database(database)$
SELECT format('REVOKE ALL ON DATABASE %%I FROM PUBLIC', :database);

-- name: admit(database, role)$
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %%I TO %%I', :database, :role);

-- name: schema_version(database)$
SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :database;

-- name: record_schema_version(database, version)$
SELECT format('COMMENT ON DATABASE %%I IS %%L', :database, :version);
