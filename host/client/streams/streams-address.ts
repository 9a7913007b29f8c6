import { parseAddress } from "../address.ts";

/** Default port of guestd.v1.Streams (`agent.streams_port`). */
const STREAMS_PORT = 1028;

/** Returns the address of guestd.v1.Streams beside an API's: port 1028, or the unix socket with `_1028` appended. */
export function streamsAddress(api: string): string {
  const address = parseAddress(api);
  switch (address.kind) {
    case "unix":
      return `${api}_${STREAMS_PORT}`;
    case "hvsock":
      return `hvsock://${address.path}:${STREAMS_PORT}`;
    case "vsock":
      return `vsock://${address.cid}:${STREAMS_PORT}`;
  }
}
