-- Tasks by state, the usual one first.
SELECT state, count(*) AS tasks
FROM tasks
GROUP BY state
ORDER BY tasks DESC, state;
