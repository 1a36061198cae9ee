package postgres

import (
	"github.com/jackc/pgx/v5/pgtype"

	"taskbench/brokers"
)

// leaseLayout is tables of our own. All times are the server's.
//
// The partial indexes hold what is ready apart from what is held, so that a claim looks at neither the held nor the
// other queues, and a lapsed lease not at the backlog. Payloads are not compressed: they are read once, and soon.
//
// A claim locks its consumer's row against removal, and whoever removes that looks only then for what it owns. So a
// message is never owned by nobody, however late a claim of a consumer comes that has lapsed: it claims nothing.
var leaseLayout = layout{
	names: []string{"taskbench_consumer", "taskbench_message", "taskbench_delayed"},
	tables: `
CREATE TABLE IF NOT EXISTS taskbench_consumer (
	id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name  text NOT NULL, -- for people who look
	until timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS taskbench_message (
	id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	queue    text NOT NULL,
	priority smallint NOT NULL,
	envelope bytea NOT NULL,
	expires  timestamptz,                -- null is never
	handed   integer NOT NULL DEFAULT 0, -- how often it was handed out
	owner    bigint                      -- the consumer that holds it; null is ready
) WITH (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE taskbench_message ALTER envelope SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS taskbench_ready ON taskbench_message (queue, priority DESC, id) WHERE owner IS NULL;
CREATE INDEX IF NOT EXISTS taskbench_held ON taskbench_message (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS taskbench_expiring ON taskbench_message (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS taskbench_delayed ( -- a message that is not ready yet
	id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	due      timestamptz NOT NULL,
	queue    text NOT NULL,
	priority smallint NOT NULL,
	envelope bytea NOT NULL,
	expires  timestamptz
);
CREATE INDEX IF NOT EXISTS taskbench_due ON taskbench_delayed (due, id);
`,
	owned: true,
	look:  1,

	insert: `INSERT INTO taskbench_message (queue, priority, envelope, expires)
SELECT queue, priority, envelope, now() + life * interval '1 ms'
FROM unnest($1::text[], $2::smallint[], $3::bytea[], $4::bigint[]) AS m (queue, priority, envelope, life)`,
	delay: `INSERT INTO taskbench_delayed (queue, priority, envelope, expires, due)
SELECT queue, priority, envelope, now() + life * interval '1 ms', now() + wait * interval '1 ms'
FROM unnest($1::text[], $2::smallint[], $3::bytea[], $4::bigint[], $5::bigint[]) AS m (queue, priority, envelope, life, wait)`,
	ripen: `WITH due AS (
	DELETE FROM taskbench_delayed WHERE id = ANY (ARRAY(
		SELECT id FROM taskbench_delayed WHERE due <= now() ORDER BY due, id LIMIT $1::integer FOR UPDATE SKIP LOCKED
	)) RETURNING *
), moved AS (
	INSERT INTO taskbench_message (queue, priority, envelope, expires)
	SELECT queue, priority, envelope, expires FROM due ORDER BY due, id RETURNING queue
) SELECT queue, count(*) FROM moved GROUP BY queue`,

	register: `INSERT INTO taskbench_consumer (name, until) VALUES ($1, now() + $2::bigint * interval '1 ms') RETURNING id`,
	renew: `UPDATE taskbench_consumer SET until = now() + $2::bigint * interval '1 ms' WHERE id = $1
RETURNING EXISTS (SELECT FROM taskbench_consumer WHERE until < now())
	OR EXISTS (SELECT FROM taskbench_message WHERE expires < now() AND owner IS NULL),
	(SELECT extract(epoch FROM min(due) - now())::float8 FROM taskbench_delayed)`,
	mend: []string{
		`DELETE FROM taskbench_consumer WHERE until < now()`,
		`WITH back AS (
	UPDATE taskbench_message SET owner = NULL
	WHERE owner IS NOT NULL AND NOT EXISTS (SELECT FROM taskbench_consumer WHERE id = owner) RETURNING queue
) SELECT DISTINCT queue FROM back`,
		`DELETE FROM taskbench_message WHERE expires < now() AND owner IS NULL`,
	},
	release: []string{
		`DELETE FROM taskbench_consumer WHERE id = $1 AND $2::bigint[] IS NOT NULL`,
		`WITH back AS (
	UPDATE taskbench_message SET owner = NULL WHERE owner = $1 AND $2::bigint[] IS NOT NULL RETURNING queue
) SELECT DISTINCT queue FROM back`,
	},

	claim: `UPDATE taskbench_message
SET owner = (SELECT id FROM taskbench_consumer WHERE id = $1 FOR KEY SHARE), handed = handed + 1
WHERE id = ANY (ARRAY(
	SELECT id FROM unnest($2::text[], $3::integer[]) AS q (name, share) CROSS JOIN LATERAL (
		SELECT id FROM taskbench_message
		WHERE queue = q.name AND owner IS NULL AND (expires IS NULL OR expires > now())
		ORDER BY priority DESC, id LIMIT q.share FOR UPDATE SKIP LOCKED
	) AS first LIMIT $4::integer
)) RETURNING id, queue, priority, CASE WHEN owner IS NULL THEN 0 ELSE handed END, envelope`,

	ack:     `DELETE FROM taskbench_message WHERE id = ANY ($2::bigint[]) AND owner = $1 RETURNING id`,
	requeue: `UPDATE taskbench_message SET owner = NULL WHERE id = ANY ($2::bigint[]) AND owner = $1 RETURNING id`,
	unseen:  `UPDATE taskbench_message SET owner = NULL, handed = handed - 1 WHERE id = ANY ($2::bigint[]) AND owner = $1 RETURNING id`,
	reject: `UPDATE taskbench_message SET owner = NULL, handed = 0, expires = NULL, queue = queue || '` + brokers.DeadLetterQueue("") + `'
WHERE id = ANY ($2::bigint[]) AND owner = $1 RETURNING id`,

	purge: `DELETE FROM taskbench_message WHERE queue = $1 AND owner IS NULL`,
	depth: `SELECT (SELECT count(*) FROM taskbench_message WHERE queue = $1 AND owner IS NULL),
	(SELECT count(*) FROM taskbench_message WHERE queue = $1 AND owner IS NOT NULL)`,

	payload: pgtype.ByteaOID,
	longest: 1000, // an entry of an index must not be much larger
	encode:  appendEnvelope,
	decode:  decodeEnvelope,
}
