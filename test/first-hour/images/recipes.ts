/** An image as those of Docker Hub are: a Debian, a layer of packages, and the configuration that users find there. */
export interface ImageRecipe {
  readonly name: string;
  readonly packages: readonly string[];
  /** Executable files by their paths. */
  readonly files?: Readonly<Record<string, string>>;
  /** Env, Cmd and so on. */
  readonly config: Readonly<Record<string, unknown>>;
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Entry point like that of Docker's PostgreSQL: chown as root, then everything else as postgres. */
const POSTGRES = `#!/bin/bash
set -e
PATH=/usr/lib/postgresql/15/bin:$PATH
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown -R postgres: "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
if ! [ -s "$PGDATA/PG_VERSION" ]; then initdb --no-sync -A trust -U postgres >/dev/null; fi
exec "$@"
`;

/** The images, by the names of their archives. */
export const RECIPES: readonly ImageRecipe[] = [
  {
    name: "python",
    packages: ["python3", "python3-pip", "python3-venv"],
    config: { Env: [PATH, "LANG=C.UTF-8"], Cmd: ["python3"] },
  },
  {
    name: "postgres",
    packages: ["postgresql-15", "gosu"],
    files: { "usr/local/bin/docker-entrypoint.sh": POSTGRES },
    config: {
      Env: [PATH, "LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data"],
      Entrypoint: ["docker-entrypoint.sh"],
      Cmd: ["postgres"],
      ExposedPorts: { "5432/tcp": {} },
      Volumes: { "/var/lib/postgresql/data": {} },
      StopSignal: "SIGINT",
    },
  },
];
