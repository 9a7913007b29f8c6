/** An image as those of Docker Hub are: a Debian, a layer of packages, and the configuration that users find there. */
export interface ImageRecipe {
  readonly name: string;
  /** Words of `apt-get install`. */
  readonly packages: readonly string[];
  /** Shell that changes the layer further, after the packages: a second line of RUN. */
  readonly run?: string;
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

/**
 * PostgreSQL's own regression tests: scripts and expected results of Debian's source package, and their library, compiled
 * with a compiler that is removed again. The program that runs them, pg_regress, is in the package.
 */
const REGRESS = `set -e
cd /tmp
echo 'deb-src http://deb.debian.org/debian bookworm main' >/etc/apt/sources.list.d/source.list
apt-get -q update
apt-get -q install --yes --no-install-recommends gcc libc6-dev bzip2
apt-get -q source --download-only postgresql-15=$(dpkg-query -W -f '\${Version}' postgresql-15)
apt-get -q download postgresql-server-dev-15=$(dpkg-query -W -f '\${Version}' postgresql-15)
dpkg --extract postgresql-server-dev-15_*.deb dev
mkdir -p /srv
tar -xf postgresql-15_*.orig.tar.bz2 --wildcards --strip-components=3 -C /srv '*/src/test/regress/*'
gcc -O1 -shared -fPIC -I dev/usr/include/postgresql/15/server -o /srv/regress/regress.so /srv/regress/regress.c
rm -r /tmp/* /etc/apt/sources.list.d/source.list
apt-get -q purge --yes --autoremove gcc libc6-dev bzip2`;

/** The images, by the names of their archives. */
export const RECIPES: readonly ImageRecipe[] = [
  {
    name: "python",
    packages: ["python3", "python3-pip", "python3-venv"],
    config: { Env: [PATH, "LANG=C.UTF-8"], Cmd: ["python3"] },
  },
  {
    name: "node",
    packages: ["nodejs"],
    config: { Env: [PATH], Cmd: ["node"], WorkingDir: "/srv" },
  },
  {
    name: "redis",
    packages: ["redis-server", "redis-tools"],
    run: "mkdir /data && chown redis: /data",
    config: {
      Env: [PATH],
      User: "redis",
      WorkingDir: "/data",
      Cmd: ["redis-server", "--dir", "/data", "--save", "60 1"],
      ExposedPorts: { "6379/tcp": {} },
      Volumes: { "/data": {} },
    },
  },
  {
    name: "nginx",
    packages: ["nginx-light"],
    // As Docker's: the server's files of logs are its outputs.
    run: "ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log",
    config: {
      Env: [PATH],
      Cmd: ["nginx", "-g", "daemon off;"],
      ExposedPorts: { "80/tcp": {} },
      StopSignal: "SIGQUIT",
    },
  },
  {
    name: "dev",
    packages: ["gcc", "libc6-dev", "make", "git"],
    config: { Env: [PATH, "LANG=C.UTF-8"], Cmd: ["bash"], WorkingDir: "/root" },
  },
  {
    name: "postgres",
    // Of the release, not of its security updates: mirrors may lack their sources.
    packages: ["--target-release=bookworm", "postgresql-15", "gosu"],
    run: REGRESS,
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
