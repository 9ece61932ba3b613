SELECT * FROM (VALUES
    (1, 0.1::DOUBLE + 0.2::DOUBLE, 'a,"b"' || chr(10) || 'c', 'nan'::DOUBLE,
        '2026-01-02 03:04:05.678+00'::TIMESTAMPTZ, ['gpu', 'v"2'], true, '170141183460469231731687303715884105727'::HUGEINT),
    (2, -1e-300::DOUBLE, '', '-inf'::DOUBLE, NULL, [], false, NULL),
    (3, NULL, '=1+1|\é😀', 'inf'::DOUBLE, '2026-01-02 03:04:05.123456+00', NULL, NULL, 0)
) AS t(i, f, t, n, "when", tags, b, "the ""huge""") ORDER BY i
