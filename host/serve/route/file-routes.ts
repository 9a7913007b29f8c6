import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { posix } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Sandbox } from "../../sdk/sandbox/sandbox.ts";
import { targetOf } from "../find-target.ts";
import type { Route, RouteRequest } from "../http/routes.ts";
import { loadSandbox } from "../load-sandbox.ts";
import type { FilesAnswer } from "../protocol/files.ts";
import { RequestFailure } from "../request-failure.ts";

const MAX_FILES = 10_000;
const MAX_PATH = 4096;
const MAX_UPLOAD_BYTES = 2 ** 30;
/** Requests for files at a time: each is a process of the container. */
const MAX_REQUESTS = 16;
const IDLE_MS = 60_000;

const CONTAINER = "/api/guests/:guest/containers/:container";

/** Files of a container, by its own programs: they have the rights of its user. */
export const fileRoutes: readonly Route[] = [
  { method: "GET", path: `${CONTAINER}/files`, handle: limited(list) },
  { method: "GET", path: `${CONTAINER}/file`, handle: limited(download) },
  { method: "PUT", path: `${CONTAINER}/file`, isWrite: true, handle: limited(upload) },
];

async function list(route: RouteRequest): Promise<FilesAnswer> {
  const path = pathOf(route);
  await using sandbox = await open(route);
  const files = (await sandbox.files.list(path, { signal: route.signal })).toSorted((a, b) =>
    a.name.localeCompare(b.name),
  );
  const entries = files.slice(0, MAX_FILES).map(({ modified, ...file }) => {
    return { ...file, modified: modified.toISOString() };
  });
  return { path, files: entries, isTruncated: files.length > MAX_FILES };
}

async function download(route: RouteRequest): Promise<undefined> {
  const { response, signal } = route;
  const path = pathOf(route);
  await using sandbox = await open(route);
  const { type } = await sandbox.files.stat(path, { signal });
  // A fifo or a device may have no end.
  if (type !== "file") throw new RequestFailure(400, `download ${path}: not a file`);
  const name = encodeURIComponent(posix.basename(path)).replaceAll("'", "%27");
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename*=UTF-8''${name}`,
  });
  await pipeline(sandbox.files.stream(path, { signal }), response);
}

/** Writes beside the file, and renames at the end: an upload that is cut changes nothing. */
async function upload(route: RouteRequest): Promise<undefined> {
  const { request, response, signal } = route;
  const path = pathOf(route);
  request.setTimeout(IDLE_MS, () => request.destroy());
  await using sandbox = await open(route);
  const part = `${path}.part-${randomBytes(4).toString("hex")}`;
  try {
    await sandbox.files.write(part, bounded(request), { how: "create", signal });
    const { exitCode, stderr } = await sandbox.exec(["mv", "-f", "--", part, path], { signal });
    if (exitCode !== 0) throw new RequestFailure(409, `upload ${path}: ${stderr.trim().split("\n")[0]}`);
  } catch (error) {
    await sandbox.files.remove(part).catch(() => undefined);
    throw error;
  }
  response.writeHead(204).end();
}

async function* bounded(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_UPLOAD_BYTES) throw new RequestFailure(413, "upload: more than 1 GiB; use guestctl cp");
    yield chunk;
  }
  // Without its end, the request was cut.
  if (!request.complete) throw new RequestFailure(400, "upload: the request was cut");
}

async function open({ params: { guest = "", container = "" }, context, signal }: RouteRequest): Promise<Sandbox> {
  const sandboxes = await loadSandbox();
  return sandboxes.connect(targetOf(context, guest).address, { container, signal });
}

function pathOf({ query }: RouteRequest): string {
  const path = query.get("path") ?? "";
  if (path.startsWith("/") && path.length <= MAX_PATH && !path.includes("\0")) return path;
  throw new RequestFailure(400, "path: expected an absolute path");
}

let running = 0;

function limited(handle: (route: RouteRequest) => Promise<object | undefined>): Route["handle"] {
  return async (route) => {
    if (running >= MAX_REQUESTS) throw new RequestFailure(503, `files: ${MAX_REQUESTS} requests run; try again`);
    running++;
    try {
      return await handle(route);
    } finally {
      running--;
    }
  };
}
