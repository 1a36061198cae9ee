package postgres

import (
	"github.com/jackc/pgx/v5/pgtype"

	"taskbench/brokers"
	"taskbench/brokers/kombu/table"
)

// kombuLayout is the tables of Celery's SQLAlchemy transport as that makes them, an index more, and a table for what is
// delayed, which kombu has none for. There are no owners; the statements have a place for one all the same.
//
// kombu leaves what it has fetched in its table for ever, out of sight. What we fetch goes out of sight in the same way,
// and is deleted by its ack. The order is kombu's: by the time of the last fetch, which most rows do not have, and number.
var kombuLayout = layout{
	names: []string{"kombu_queue", "kombu_message", "taskbench_kombu_delayed"},
	tables: `
CREATE SEQUENCE IF NOT EXISTS queue_id_sequence;
CREATE SEQUENCE IF NOT EXISTS message_id_sequence;
CREATE TABLE IF NOT EXISTS kombu_queue (
	id   integer NOT NULL PRIMARY KEY,
	name varchar(200) UNIQUE
);
CREATE TABLE IF NOT EXISTS kombu_message (
	id        integer NOT NULL PRIMARY KEY,
	visible   boolean,
	timestamp timestamp without time zone,
	payload   text NOT NULL,
	version   smallint NOT NULL,
	queue_id  integer CONSTRAINT "FK_kombu_message_queue" REFERENCES kombu_queue (id)
);
DO $$ BEGIN -- where Celery's user has made the tables, only that may
	CREATE INDEX IF NOT EXISTS ix_kombu_message_timestamp ON kombu_message (timestamp);
	CREATE INDEX IF NOT EXISTS ix_kombu_message_visible ON kombu_message (visible);
	CREATE INDEX IF NOT EXISTS ix_kombu_message_timestamp_id ON kombu_message (timestamp, id);
	CREATE INDEX IF NOT EXISTS taskbench_kombu_ready ON kombu_message (queue_id, timestamp, id) WHERE visible;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$;
CREATE TABLE IF NOT EXISTS taskbench_kombu_delayed ( -- a message that is not ready yet
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	due     timestamptz NOT NULL,
	queue   text NOT NULL,
	payload text NOT NULL
);
CREATE INDEX IF NOT EXISTS taskbench_kombu_due ON taskbench_kombu_delayed (due, id);
`,
	look: 4, // who publishes as kombu does wakes nobody

	declare: `INSERT INTO kombu_queue (id, name) SELECT nextval('queue_id_sequence'), name
FROM (SELECT DISTINCT unnest($1::text[])) AS q (name)
WHERE NOT EXISTS (SELECT FROM kombu_queue AS known WHERE known.name = q.name) ORDER BY name ON CONFLICT (name) DO NOTHING`,
	insert: `INSERT INTO kombu_message (id, visible, payload, version, queue_id)
SELECT nextval('message_id_sequence'), true, payload, 1, (SELECT id FROM kombu_queue WHERE name = queue)
FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[]) AS m (queue, priority, payload, life)`,
	delay: `INSERT INTO taskbench_kombu_delayed (queue, payload, due)
SELECT queue, payload, now() + wait * interval '1 ms'
FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[], $5::bigint[]) AS m (queue, priority, payload, life, wait)`,
	ripen: `WITH due AS (
	DELETE FROM taskbench_kombu_delayed WHERE id = ANY (ARRAY(
		SELECT id FROM taskbench_kombu_delayed WHERE due <= now() ORDER BY due, id LIMIT $1::integer FOR UPDATE SKIP LOCKED
	)) RETURNING *
), moved AS (
	INSERT INTO kombu_message (id, visible, payload, version, queue_id)
	SELECT nextval('message_id_sequence'), true, payload, 1, (SELECT id FROM kombu_queue WHERE name = queue)
	FROM due ORDER BY due, id
) SELECT queue, count(*) FROM due GROUP BY queue`,

	register: `SELECT 0::bigint FROM (SELECT $1::text, $2::bigint) AS nobody`,
	renew: `SELECT false, (SELECT extract(epoch FROM min(due) - now())::float8 FROM taskbench_kombu_delayed)
WHERE $1::bigint + $2::bigint IS NOT NULL`,
	release: []string{`WITH back AS (
	UPDATE kombu_message SET visible = true, timestamp = NULL
	WHERE id = ANY ($2::bigint[]) AND NOT visible AND $1::bigint IS NOT NULL RETURNING queue_id
) SELECT name FROM kombu_queue WHERE id IN (SELECT queue_id FROM back)`},

	claim: `UPDATE kombu_message
SET visible = false, timestamp = localtimestamp, version = CASE WHEN version < 32767 THEN version + 1 ELSE 1 END
WHERE $1::bigint IS NOT NULL AND id = ANY (ARRAY(
	SELECT first.id FROM unnest($2::text[], $3::integer[]) AS q (name, share) JOIN kombu_queue USING (name) CROSS JOIN LATERAL (
		SELECT id FROM kombu_message WHERE queue_id = kombu_queue.id AND visible
		ORDER BY timestamp, id LIMIT q.share FOR UPDATE SKIP LOCKED
	) AS first LIMIT $4::integer
)) RETURNING id::bigint, (SELECT name FROM kombu_queue WHERE kombu_queue.id = queue_id), 0::smallint, version - 1, payload`,

	ack: `DELETE FROM kombu_message WHERE id = ANY ($2::bigint[]) AND NOT visible AND $1::bigint IS NOT NULL RETURNING id::bigint`,
	requeue: `UPDATE kombu_message SET visible = true, timestamp = NULL
WHERE id = ANY ($2::bigint[]) AND NOT visible AND $1::bigint IS NOT NULL RETURNING id::bigint`,
	unseen: `UPDATE kombu_message SET visible = true, timestamp = NULL, version = version - 1
WHERE id = ANY ($2::bigint[]) AND NOT visible AND $1::bigint IS NOT NULL RETURNING id::bigint`,
	reject: `UPDATE kombu_message AS m SET visible = true, timestamp = NULL, version = 1, queue_id = dead.id
FROM kombu_queue AS was JOIN kombu_queue AS dead ON dead.name = was.name || '` + brokers.DeadLetterQueue("") + `'
WHERE m.id = ANY ($2::bigint[]) AND NOT m.visible AND $1::bigint IS NOT NULL AND was.id = m.queue_id RETURNING m.id::bigint`,

	purge: `DELETE FROM kombu_message WHERE visible AND queue_id = (SELECT id FROM kombu_queue WHERE name = $1)`,
	depth: `SELECT count(*), -1::bigint FROM kombu_message WHERE visible AND queue_id = (SELECT id FROM kombu_queue WHERE name = $1)`,

	payload: pgtype.TextOID,
	longest: table.LongestQueue,
	encode:  encodeKombu,
	decode:  decodeKombu,
}
