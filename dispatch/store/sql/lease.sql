-- read: who dispatches
SELECT term, holder, beat FROM lease ORDER BY term DESC LIMIT 1

-- found: the first lease of all
INSERT INTO lease (term, holder, beat, taken_at) VALUES (1, $1, 0, $2) ON CONFLICT (term) DO NOTHING

-- take: the next term, if the last one is still the one that was watched; waits for transactions under the last one
UPDATE lease SET term = $1 + 1, holder = $2, beat = 0, taken_at = $3 WHERE term = $1

-- beat: still here; does not wait for transactions under the lease
UPDATE lease SET beat = beat + 1 WHERE term = $1
