-- Student's t of the 95 % interval for each number of degrees of freedom, in their order.
SELECT degrees, t_975(degrees) AS t
FROM (SELECT unnest($degrees::BIGINT[]) AS degrees, generate_subscripts($degrees, 1) AS place)
ORDER BY place;
