-- How many stored tasks have a name that contains a text.
SELECT count(*)
FROM files.tasks
WHERE contains(nfc_normalize(name), $text)
