import { dirname } from "node:path";
import { DEFAULT_MOUNTS } from "../../lib/oci-defaults.ts";
import { KEEP_ALIVE_SERVER } from "./keep-alive.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Ports of the server in the container. */
export const PORT = { http: 8080, echo: 7000, reset: 7001, blob: 7002, hash: 7003, udp: 7004, silent: 7005 } as const;
export const SERVER_SOCKET = "/run/in.sock";
export const BLOB_BYTES = 20_000_000;

/** The blob: the key stream of a cipher, so that a byte in another place changes the hash. */
const BLOB = `require("crypto").createCipheriv("aes-128-ctr", Buffer.alloc(16, 7), Buffer.alloc(16)).update(Buffer.alloc(${BLOB_BYTES}))`;

/** Runs in the container's Node; HTTP GETs to /dial/PORT or /dial/PATH make it connect to a reverse forward. */
const SCRIPT = `
const net = require("net"), crypto = require("crypto"), dgram = require("dgram");
const listen = (where, serve) => new Promise((done) => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => { socket.on("error", () => {}); serve(socket); });
  typeof where === "string" ? server.listen(where, done) : server.listen(where, "127.0.0.1", done);
});
const echo = (socket) => {
  let count = 0;
  socket.on("data", (data) => { count += data.length; socket.write(data); });
  socket.on("end", () => socket.end(" end after " + count));
};
const hash = (socket) => {
  const sum = crypto.createHash("sha256");
  socket.on("data", (data) => sum.update(data));
  socket.on("end", () => socket.end(sum.digest("hex")));
};
const web = (${KEEP_ALIVE_SERVER})((request, response) => {
  const [, call, ...rest] = request.url.split("/");
  if (call !== "dial") return response.end(request.url + " by connection " + request.socket.number);
  const where = rest.join("/");
  const socket = /^\\d+$/.test(where) ? net.connect(Number(where), "127.0.0.1") : net.connect("/" + where);
  let text = "";
  socket.on("data", (data) => (text += data)).on("end", () => response.end(text)).on("error", (e) => response.end(e.code));
  socket.end("from the container");
});
const udp = dgram.createSocket("udp4", (data, from) => udp.send(data, from.port, from.address));
(async () => {
  await listen(${PORT.echo}, echo);
  await listen(${PORT.reset}, (socket) => socket.once("data", () => socket.resetAndDestroy()));
  await listen(${PORT.blob}, (socket) => socket.end(${BLOB}));
  await listen(${PORT.hash}, hash);
  await listen(${PORT.silent}, () => {});
  await listen("${SERVER_SOCKET}", echo);
  await new Promise((done) => udp.bind(${PORT.udp}, "127.0.0.1", done));
  await new Promise((done) => web.listen(${PORT.http}, "127.0.0.1", done));
  console.log("ready");
})();
`;

const bind = (source: string, destination: string) => ({
  ...{ type: "bind", source, destination, options: ["rbind", "ro"] },
});

/** Starts a container with a network namespace of its own, in which this process's Node serves the ports. */
export async function startForwardServer(pod: Pod): Promise<{ readonly container: string; readonly rootfs: string }> {
  const name = `forward-${process.pid}`;
  const rootfs = pod.machine.rootfs(name);
  const spec = ociSpec(rootfs, ["sh", "-c", 'mkdir -p /run; ip link set lo up; exec /node/node -e "$SCRIPT"']);
  const caps = [...(spec.Process?.Capabilities?.Bounding ?? []), "CAP_NET_ADMIN"];
  const container = await pod.create(
    [],
    {
      ...spec,
      Process: {
        ...spec.Process,
        Env: ["PATH=/bin", `SCRIPT=${SCRIPT}`],
        Capabilities: { Bounding: caps, Effective: caps, Permitted: caps },
      },
      Mounts: [
        ...DEFAULT_MOUNTS,
        ...["/usr", "/lib", "/lib64"].map((path) => bind(path, path)),
        bind(dirname(process.execPath), "/node"),
      ],
      Linux: { ...spec.Linux, Namespaces: [...(spec.Linux?.Namespaces ?? []), { Type: "network" }] },
    },
    rootfs,
  );
  await pod.client.agent.startContainer({ container_id: container });
  const { data } = await pod.client.agent.readStdout({ container_id: container, exec_id: container, len: 100 });
  if (Buffer.from(data).toString() !== "ready\n") throw new Error(`the server printed ${Buffer.from(data)}`);
  return { container, rootfs: pod.machine.hostPath(rootfs) };
}
