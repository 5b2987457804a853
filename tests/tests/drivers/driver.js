// node-postgres: text, and parameters whose types the node infers.
const { Client } = require('pg');

(async () => {
  const client = new Client({ connectionString: `postgresql://caudal:caudal@127.0.0.1:${process.argv[2]}/caudal` });
  await client.connect();
  const told = {};
  const at = new Date('2026-02-03T04:05:06.007Z');
  const inserted = await client.query('INSERT INTO readings VALUES ($1, $2, $3, $4)', ['n', at, 7.5, '1.10']);
  told.inserted = [inserted.command, inserted.rowCount];
  const read = await client.query('SELECT * FROM readings WHERE circuit = $1', ['n']);
  told.rows = read.rows;
  told.types = read.fields.map((field) => field.dataTypeID);
  const counted = { name: 'counted', text: 'SELECT count(*)::int AS n FROM readings WHERE circuit = ANY($1)', values: [['n', 'm']] };
  told.counted = [(await client.query(counted)).rows[0].n, (await client.query(counted)).rows[0].n];
  told.error = await client.query('SELECT nothing').catch((error) => [error.code, error.position]);
  const several = await client.query("SELECT true AS a; SELECT ARRAY['x', 'y'] AS b, count(*), count(*) FROM readings");
  told.several = several.map((result) => result.rows[0]);
  const document = { 'b': [1, 2.5], 'a': { 'n': null } };
  const found = await client.query("SELECT $1::jsonb AS doc, $1::jsonb -> 'a' AS a, jsonb_build_object('n', 1) AS made", [document]);
  told.document = [found.rows[0], found.fields[0].dataTypeID];
  await client.query('BEGIN');
  await client.query('INSERT INTO readings VALUES ($1, $2, $3, $4)', ['gone', at, 1, null]);
  await client.query('ROLLBACK');
  told.left = (await client.query('SELECT count(*) FROM readings')).rows[0].count;
  await client.end();
  console.log(JSON.stringify(told));
})();
