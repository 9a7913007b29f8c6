import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { INIT, type RunOptions } from "../image/image-config.ts";
import { RESOLV_CONF_MOUNT } from "../network/set-up-network.ts";
import type { PreparedRun } from "./prepare-run.ts";

/** Files of one container alone: the agent makes them, and removes them with it. */
export interface OwnFiles {
  readonly storages: readonly Init<grpc.Storage>[];
  readonly mounts: readonly Init<grpc.Mount>[];
}

/** Where a container runs: the guest if it is one of ours, and whether that has a network. */
export type OwnFilesPlace = Pick<PreparedRun, "guest" | "network">;

/** The kernel's limit, to which the agent cuts the guest's name. */
const MAX_HOSTNAME = 64;

/**
 * Returns a storage with the container's /etc/hosts, /etc/hostname, /etc/resolv.conf and init, and their mounts. The first two
 * exist in guests of ours; the others if the options ask for them. Without name servers of its own, a container in a guest with
 * a network gets the guest's resolv.conf.
 */
export function ownFiles(container: string, { guest, network }: OwnFilesPlace, options: RunOptions): OwnFiles {
  const { resolver, init, hostname = guest?.slice(0, MAX_HOSTNAME) } = options;
  const hosts = options.hosts ?? (guest === undefined ? undefined : []);
  const place = `/run/kata-containers/${container}/files`;
  const mount = (name: string, destination: string, flags: readonly string[]): Init<grpc.Mount> => {
    return { destination, source: `${place}/${name}`, type: "bind", options: ["bind", "nosuid", "nodev", ...flags] };
  };
  const wanted = [
    ...(hosts === undefined ? [] : [[`hosts=${hostsText(hosts, hostname)}`, HOSTS] as const]),
    ...(guest === undefined ? [] : [[`hostname=${hostname}\n`, HOSTNAME] as const]),
    ...(resolver === undefined ? [] : [[`resolv.conf=${resolverText(resolver)}`, RESOLV_CONF] as const]),
    ...(init ? [["init", INIT_PROGRAM] as const] : []),
  ];
  const guests = network && resolver === undefined ? [RESOLV_CONF_MOUNT] : [];
  if (wanted.length === 0) return { storages: [], mounts: guests };
  const storage = { driver: "files", source: "files", fstype: "tmpfs", mount_point: place };
  return {
    storages: [{ ...storage, driver_options: wanted.map(([option]) => option) }],
    mounts: [...guests, ...wanted.map(([, [name, destination, flags]]) => mount(name, destination, flags))],
  };
}

type OwnFile = readonly [name: string, destination: string, flags: readonly string[]];

const HOSTS: OwnFile = ["hosts", "/etc/hosts", ["noexec"]];
const HOSTNAME: OwnFile = ["hostname", "/etc/hostname", ["noexec"]];
const RESOLV_CONF: OwnFile = ["resolv.conf", "/etc/resolv.conf", ["noexec"]];
const INIT_PROGRAM: OwnFile = ["init", INIT, ["ro"]];

/** Formats /etc/hosts: this container's names, then the given lines. */
function hostsText(lines: readonly string[], hostname: string | undefined): string {
  const own = hostname === undefined ? [] : [`127.0.1.1 ${hostname}`];
  return ["127.0.0.1 localhost", "::1 localhost", ...own, ...lines].map((line) => `${line}\n`).join("");
}

function resolverText({ servers, search = [], options = [] }: NonNullable<RunOptions["resolver"]>): string {
  const lines = [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length === 0 ? [] : [`search ${search.join(" ")}`]),
    ...(options.length === 0 ? [] : [`options ${options.join(" ")}`]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
