import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { INIT, type RunOptions } from "../image/image-config.ts";
import { RESOLV_CONF_MOUNT } from "../sandbox/set-up-network.ts";

/** Files of one container alone: the agent makes them, and removes them with it. */
export interface OwnFiles {
  readonly storages: readonly Init<grpc.Storage>[];
  readonly mounts: readonly Init<grpc.Mount>[];
}

/**
 * Returns a storage with the container's /etc/hosts, /etc/resolv.conf and init, if the options ask for them, and their mounts.
 * Without name servers of its own, a container in a guest with a network gets the guest's resolv.conf.
 */
export function ownFiles(container: string, network: boolean, options: RunOptions): OwnFiles {
  const { hosts, resolver, init } = options;
  const place = `/run/kata-containers/${container}/files`;
  const mount = (name: string, destination: string, flags: readonly string[]): Init<grpc.Mount> => {
    return { destination, source: `${place}/${name}`, type: "bind", options: ["bind", "nosuid", "nodev", ...flags] };
  };
  const wanted = [
    ...(hosts === undefined ? [] : [[`hosts=${hostsText(hosts, options.hostname)}`, HOSTS] as const]),
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
