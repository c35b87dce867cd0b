-- What tries of earlier versions told tenants of private addresses, and of names that do not exist.
UPDATE webhook_deliveries
SET tries = regexp_replace(
    tries::text,
    '"(refused: [^"]* is not a public address|not reachable: (gaierror|UnicodeError|InvalidURL))"',
    '"not reachable: the name has no public address"',
    'g'
)::jsonb
WHERE tries::text ~ '"(refused: [^"]* is not a public address|not reachable: (gaierror|UnicodeError|InvalidURL))"';
