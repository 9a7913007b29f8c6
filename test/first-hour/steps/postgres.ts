import type { HourStep } from "../step.ts";

const READY = `for n in $(seq 100); do guestctl exec pg pg_isready -q -U postgres && break; sleep 1; done`;

/** Tests of pg_regress in their order: types, indexes, COPY, joins of sets. Some need what the ones before made. */
const REGRESS = (
  "test_setup boolean char text int4 int8 float8 numeric uuid enum strings date " +
  "create_index copy transactions subselect union case arrays prepared_xacts"
).split(" ");

export const POSTGRES: readonly HourStep[] = [
  {
    name: "`guestctl run -d --name pg postgres.tar`",
    shows: "initdb as postgres in a folder that root gave it",
    script: `guestctl run -d --name pg images/postgres.tar\n${READY}\nguestctl exec pg stat -c '%U %a' /var/lib/postgresql/data`,
    prints: "pg\npostgres 700\n",
  },
  {
    name: "`guestctl exec -i pg psql`",
    shows: "a table is written and read",
    script: `guestctl exec -i pg psql -qAt -U postgres <<END
create table words (n int primary key, word text);
insert into words select n, md5(n::text) from generate_series(1, 1000) n;
select count(*), max(word) from words;
END`,
    prints: "1000|ffeabd223de0d4eacb9a3e6e53e5448d\n",
  },
  {
    name: "`guestctl stop pg`, `start pg`",
    shows: "the data is there again",
    script: `guestctl stop pg\nguestctl start pg\n${READY}\nguestctl exec pg psql -qAt -U postgres -c 'select count(*) from words'`,
    prints: "pg\npg\n1000\n",
  },
  {
    name: "`guestctl exec pg pgbench`",
    shows: "500 transactions by 5 clients, and the sums agree",
    script: `guestctl exec pg sh -c 'pgbench -U postgres -q -i -s 1 postgres >/tmp/log 2>&1 || cat /tmp/log >&2; pgbench -U postgres -n -c 5 -t 100 postgres' >log && grep processed log
guestctl exec pg psql -qAt -U postgres -c 'select (select sum(delta) from pgbench_history) = (select sum(bbalance) from pgbench_branches)'`,
    prints: /^number of transactions actually processed: 500\/500\nt\n$/,
  },
  {
    name: "`guestctl exec pg pg_regress`",
    shows: `${REGRESS.length} of PostgreSQL's own regression tests pass`,
    script: `guestctl exec -u postgres -w /tmp pg /usr/lib/postgresql/15/lib/pgxs/src/test/regress/pg_regress \\
  --inputdir=/srv/regress --dlpath=/srv/regress --bindir=/usr/lib/postgresql/15/bin \\
  --host=/run/postgresql --user=postgres ${REGRESS.join(" ")} >log || { cat log >&2; guestctl exec pg head -c 4000 /tmp/regression.diffs >&2; exit 1; }
grep -o 'All [0-9]* tests passed' log`,
    prints: `All ${REGRESS.length} tests passed\n`,
    limit: 900,
  },
  {
    name: "`guestctl logs pg`, `rm -f pg`",
    shows: "the server's log of both runs",
    script: `guestctl logs pg 2>&1 | grep -c 'ready to accept connections'\nguestctl rm -f pg`,
    prints: "2\npg\n",
  },
];
