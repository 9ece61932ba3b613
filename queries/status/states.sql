-- Tasks by state, the most frequent first.
SELECT state, count(*) AS tasks
FROM tasks
GROUP BY state
ORDER BY tasks DESC, state;
