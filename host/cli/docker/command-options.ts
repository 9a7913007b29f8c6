import { RUN_OPTIONS } from "./run-options.ts";
import { as, no, type SupportTable, same } from "./support.ts";

const JSON_OUTPUT = "use --json";
const TIME = as("`-t`, `--time`");
const CPUS = "use --cpus";

/** Options of docker's commands that guestctl has, by command. */
export const COMMAND_OPTIONS: Readonly<Record<string, SupportTable>> = {
  run: RUN_OPTIONS,
  exec: {
    "-d, --detach": same,
    "--detach-keys": same,
    "-e, --env": same,
    "--env-file": same,
    "-i, --interactive": same,
    "--privileged": no("run the container with --privileged, or use guestctl debug"),
    "-t, --tty": same,
    "-u, --user": same,
    "-w, --workdir": same,
  },
  attach: {
    "--detach-keys": same,
    "--no-stdin": same,
    "--sig-proxy": no("signals go to the process"),
  },
  ps: {
    "-a, --all": same,
    "-f, --filter": as("keys `name id label status ancestor exited`"),
    "--format": as("fields of `--json`, such as `{{.Container}}`"),
    "-n, --last": no("guestctl ps -a lists the oldest first"),
    "-l, --latest": no("guestctl ps -a lists the oldest first"),
    "--no-trunc": same,
    "-q, --quiet": same,
    "-s, --size": no("guestctl exec CONTAINER du -sx /"),
  },
  logs: {
    "--details": no("the image's labels are in guestctl inspect"),
    "-f, --follow": same,
    "--since": same,
    "-n, --tail": same,
    "-t, --timestamps": same,
    "--until": no("cut the output of --timestamps"),
  },
  cp: { "-a, --archive": same, "-L, --follow-link": same, "-q, --quiet": same },
  start: {
    "-a, --attach": no("guestctl start, then guestctl logs -f"),
    "--checkpoint": no("guestctl fork and guestctl run --template start from a snapshot"),
    "--checkpoint-dir": no("guestctl fork and guestctl run --template start from a snapshot"),
    "--detach-keys": no("guestctl start, then guestctl attach"),
    "-i, --interactive": no("containers that start again have no stdin"),
  },
  stop: { "-s, --signal": same, "-t, --timeout": TIME },
  restart: { "-s, --signal": same, "-t, --timeout": TIME },
  kill: { "-s, --signal": same },
  rm: {
    "-f, --force": as("running containers are killed in any case"),
    "-l, --link": no("there are no links"),
    "-v, --volumes": no("volumes stay until guestctl volume rm"),
  },
  inspect: { "-f, --format": same, "-s, --size": no("guestctl exec CONTAINER du -sx /"), "--type": same },
  stats: {
    "-a, --all": no("ended containers use nothing"),
    "--format": no(JSON_OUTPUT),
    "--no-stream": as("the default; `--watch` repeats"),
    "--no-trunc": no(JSON_OUTPUT),
  },
  update: {
    "--blkio-weight": no("guests have no limits of disks"),
    "--cpu-period": no(CPUS),
    "--cpu-quota": no(CPUS),
    "--cpu-rt-period": no(CPUS),
    "--cpu-rt-runtime": no(CPUS),
    "-c, --cpu-shares": no(CPUS),
    "--cpus": same,
    "--cpuset-cpus": no(CPUS),
    "--cpuset-mems": no(CPUS),
    "-m, --memory": same,
    "--memory-reservation": no("use --memory"),
    "--memory-swap": no("a guest has no swap"),
    "--pids-limit": same,
    "--restart": no("run the container again with --restart"),
  },
  events: {
    "-f, --filter": as("`--filter kind=…` or `container=…`"),
    "--format": no(JSON_OUTPUT),
    "--since": as("the number of an event"),
    "--until": no("--no-follow ends with the last event so far"),
  },
  images: {
    "-a, --all": no("there are no intermediate images"),
    "--digests": no("use --format '{{.Digest}}'"),
    "-f, --filter": no("pipe --json to jq"),
    "--format": same,
    "--no-trunc": same,
    "-q, --quiet": same,
    "--tree": no("there is one platform of each image"),
  },
  pull: {
    "-a, --all-tags": no("name each tag"),
    "--disable-content-trust": no("name the image by its digest, NAME@sha256:…"),
    "--platform": no("images of the host's platform are pulled"),
    "-q, --quiet": same,
  },
  save: { "-o, --output": same, "--platform": no("images are those of the host's platform") },
  load: { "-i, --input": same, "-q, --quiet": same, "--platform": no("images of the host's platform are loaded") },
  export: { "-o, --output": same },
  rmi: {
    "--platform": no("the store has images of this machine only"),
    "-f, --force": same,
    "--no-prune": no("images have no parents"),
  },
};
