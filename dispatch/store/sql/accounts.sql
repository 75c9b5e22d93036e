-- account_by_name: who an operator is, with the hash of the password
SELECT name, role, password_hash, language, is_active FROM account WHERE name = $1

-- all_accounts: every account, for a list on the command line
SELECT name, role, password_hash, language, is_active FROM account ORDER BY name

-- add_account: a new account; gives no row if the name is taken
INSERT INTO account (name, role, password_hash, language, is_active, created_at)
VALUES ($1, $2, $3, $4, true, $5)
ON CONFLICT (name) DO NOTHING
RETURNING name

-- change_account: another password, role or language, or none of them (NULL keeps what is there)
UPDATE account
SET role = coalesce($2, role),
    password_hash = coalesce($3, password_hash),
    language = coalesce($4, language),
    is_active = coalesce($5, is_active)
WHERE name = $1
RETURNING name

-- close_sessions_of_account: sign an account out everywhere, links included
DELETE FROM session WHERE account = $1

-- open_session: a session or a sign-in link ($4); only the token's hash is kept
INSERT INTO session (token_hash, account, worker_id, is_link, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)

-- session_by_token: whom a token stands for, unless it has run out or the account is barred
SELECT session.account, session.worker_id, session.expires_at, session.created_at,
       account.role, coalesce(account.language, 'zh') AS language, coalesce(worker.name, account.name) AS name
FROM session
LEFT JOIN account ON account.name = session.account
LEFT JOIN worker ON worker.worker_id = session.worker_id
WHERE token_hash = $1 AND is_link = $2 AND expires_at > $3 AND coalesce(account.is_active, true)

-- extend_session: somebody is still there
UPDATE session SET expires_at = $2 WHERE token_hash = $1

-- close_session: signed out
DELETE FROM session WHERE token_hash = $1

-- drop_expired_sessions: nobody can use these any more
DELETE FROM session WHERE expires_at <= $1
