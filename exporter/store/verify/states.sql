-- How many tasks each state has.
SELECT state, count(*)
FROM tasks
GROUP BY state
