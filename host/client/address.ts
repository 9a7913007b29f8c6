/** Address of an agent. */
export type Address =
  /** A socket file, or an abstract name when `path` begins with NUL. */
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "vsock"; readonly cid: number; readonly port: number }
  /** A VMM's socket file that accepts "CONNECT port" (Firecracker, Cloud Hypervisor, Dragonball). */
  | { readonly kind: "hvsock"; readonly path: string; readonly port: number };

const MAX_U32 = 2 ** 32 - 1;

/** Parses `unix:///path`, `unix://@name`, `vsock://cid:port` or `hvsock:///path:port`. Throws TypeError. */
export function parseAddress(text: string): Address {
  const unix = /^unix:\/\/(\/.+|@.+)$/.exec(text)?.[1];
  if (unix !== undefined) return { kind: "unix", path: unix.startsWith("@") ? `\0${unix.slice(1)}` : unix };

  const [, cid, vsockPort] = /^vsock:\/\/(\d+):(\d+)$/.exec(text) ?? [];
  if (cid !== undefined && vsockPort !== undefined) {
    return { kind: "vsock", cid: u32(cid, text), port: u32(vsockPort, text) };
  }
  const [, path, port] = /^hvsock:\/\/(\/.+):(\d+)$/.exec(text) ?? [];
  if (path !== undefined && port !== undefined) return { kind: "hvsock", path, port: u32(port, text) };

  throw new TypeError(
    `address ${text}: not one of unix:///path, unix://@name, vsock://cid:port, hvsock:///path/to/socket:port`,
  );
}

function u32(digits: string, text: string): number {
  const value = Number(digits);
  if (value > MAX_U32) throw new TypeError(`address ${text}: ${digits} is over ${MAX_U32}`);
  return value;
}
