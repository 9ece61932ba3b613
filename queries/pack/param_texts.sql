-- Every hyperparameter with each distinct value, and one task that has it.
--
-- Values longer than $longest bytes are not included: see long_texts.py.
SELECT section, name, value, min(task_id) AS task_id, count(*) AS n
FROM hyperparams
WHERE value IS NULL OR strlen(value) <= $longest::BIGINT
GROUP BY section, name, value
ORDER BY ALL;
