-- telephones: after one terminal the next ones, each as one line of JSON: itself, its home, who lives there, whom to call
SELECT terminal_home.terminal_id, json_build_array(
    terminal_home.terminal_id, home.home_id, home.address, terminal.phone,
    (SELECT json_agg(json_build_array(elder.name, elder.phone) ORDER BY elder.elder_id)
     FROM resident JOIN elder USING (elder_id)
     WHERE resident.home_id = home.home_id AND resident.since <= $3 AND (resident.until IS NULL OR resident.until > $3)),
    (SELECT json_agg(json_build_array(contact.name, contact.relation, contact.phone) ORDER BY contact.rank)
     FROM contact WHERE contact.home_id = home.home_id)
)::text AS line
FROM terminal_home JOIN terminal USING (terminal_id) JOIN home USING (home_id)
WHERE terminal_home.until IS NULL AND terminal_home.terminal_id > $1
ORDER BY terminal_home.terminal_id LIMIT $2
