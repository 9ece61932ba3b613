-- Series that differ in the files that only one side has, each with a number and its points there.
--
-- A key is unique in a snapshot: the points of a file that both sides have are the same on both,
-- and no other file contains their keys. Two sums over 64-bit hashes of each point then exclude
-- series that were only written again (100 million points: 12 seconds; a join of them takes 95).
-- Any other series would be excluded only if 128 bits were equal by chance.
WITH was AS (
    SELECT
        task_id,
        metric,
        variant,
        count(*) AS n,
        bit_xor(hash(iteration, value)) AS bits,
        sum(hash(value, iteration, 1)) AS total
    FROM before_own.scalars
    GROUP BY ALL
),
now AS (
    SELECT
        task_id,
        metric,
        variant,
        count(*) AS n,
        bit_xor(hash(iteration, value)) AS bits,
        sum(hash(value, iteration, 1)) AS total
    FROM after_own.scalars
    GROUP BY ALL
)
SELECT
    row_number() OVER () AS number,
    task_id,
    metric,
    variant,
    was.n AS own_before,
    now.n AS own_after
FROM was
FULL JOIN now USING (task_id, metric, variant)
WHERE was.n IS DISTINCT FROM now.n
    OR was.bits IS DISTINCT FROM now.bits
    OR was.total IS DISTINCT FROM now.total;
