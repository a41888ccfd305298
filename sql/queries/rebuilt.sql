-- Tables made again beside the live ones of the same names: see work_beside, compare_rebuilt and swap_rebuilt.

-- name: work_beside(tables)!
SELECT work_beside(:tables);

-- name: leave_beside()!
SELECT leave_beside();

-- name: look_at_live()!
SELECT set_config('search_path', 'public, pg_temp', true);

-- name: look_beside()!
SELECT set_config('search_path', 'pg_temp, public', true);

-- name: count_differing()
SELECT table_name, state, count(*) AS rows
FROM (SELECT table_name, CASE WHEN live IS NULL THEN 'lacking' WHEN rebuilt IS NULL THEN 'surplus' ELSE 'different' END
                 AS state
      FROM differing) AS told
GROUP BY table_name, state
ORDER BY table_name, state;

-- name: list_differing(limit)
SELECT table_name, CASE WHEN live IS NULL THEN 'lacking' WHEN rebuilt IS NULL THEN 'surplus' ELSE 'different' END AS state,
       row_key
FROM differing
ORDER BY table_name, row_key
LIMIT :limit;

-- name: swap()!
SELECT swap_rebuilt(table_name) FROM (SELECT DISTINCT table_name FROM differing ORDER BY table_name) AS tables;
