import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".json": "application/json",
};
const PACKED = new Set([".html", ".js", ".css", ".svg", ".json"]);
/** Files whose names have a hash of their content. */
const HASHED = /-[A-Z0-9]{8}\.\w+$/;
const PACKED_END = ".gz";
const INDEX = "index.html";
const NOT_BUILT =
  "<!doctype html><title>guestd</title><p>The page isn't built: run npm run build in the checkout, then reload.\n";

interface PageFile {
  readonly type: string;
  readonly content: Buffer;
  /** Undefined if compressing gains nothing. */
  readonly packed: Buffer | undefined;
}

/**
 * The files of the built page, as the build wrote them or, in the package, compressed as `NAME.gz`. Only names that a reading of
 * the folder found are served, so that no path leads elsewhere.
 */
export class PageFiles {
  readonly #folder: string;
  readonly #loaded = new Map<string, Promise<PageFile>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Answers a request for a file; false if the page doesn't have it. */
  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const name = path === "/" ? INDEX : path.slice(1);
    const names = this.#names();
    if (extname(name) === PACKED_END || !(names.has(name) || names.has(`${name}${PACKED_END}`))) {
      if (name !== INDEX) return false;
      response.writeHead(503, { "content-type": TYPES[".html"], "cache-control": "no-store" }).end(NOT_BUILT);
      return true;
    }
    const { type, content, packed } = await this.#load(name);
    const isPacked = packed !== undefined && /\bgzip\b/.test(`${request.headers["accept-encoding"]}`);
    const body = isPacked ? packed : content;
    response.writeHead(200, {
      "content-type": type,
      "content-length": body.length,
      ...(isPacked ? { "content-encoding": "gzip" } : {}),
      "cache-control": HASHED.test(name) ? "public, max-age=31536000, immutable" : "no-cache",
      vary: "accept-encoding",
    });
    response.end(request.method === "HEAD" ? undefined : body);
    return true;
  }

  /** Names are read again for each request: a build may have replaced the files. */
  #names(): ReadonlySet<string> {
    try {
      const entries = readdirSync(this.#folder, { withFileTypes: true, recursive: true });
      const paths = entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
      return new Set(paths.map((path) => relative(this.#folder, path).split(sep).join("/")));
    } catch {
      return new Set();
    }
  }

  #load(name: string): Promise<PageFile> {
    const found = HASHED.test(name) ? this.#loaded.get(name) : undefined;
    const loading = found ?? read(join(this.#folder, name));
    this.#loaded.set(name, loading);
    return loading;
  }
}

async function read(path: string): Promise<PageFile> {
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  if (!existsSync(path)) {
    const compressed = readFileSync(`${path}${PACKED_END}`);
    return { type, content: await promisify(gunzip)(compressed), packed: compressed };
  }
  const content = readFileSync(path);
  const packed = PACKED.has(extname(path)) ? await promisify(gzip)(content, { level: 9 }) : undefined;
  return { type, content, packed: packed !== undefined && packed.length < content.length ? packed : undefined };
}
