import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../../image/digest.ts";
import { thisPlatform } from "../../../image/platform.ts";
import { startRegistry, type TestRegistry } from "../../../image/registry/testing/registry.ts";
import { directory, file, symlink } from "../../../image/testing/layers.ts";
import { temporaryDirectory, treeOf } from "../../../image/testing/tree.ts";
import { packTar } from "../../../image/write-layout.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { defaultImageSettings, type ImageSettings } from "./image-settings.ts";
import { pullImage } from "./pull-image.ts";

const sys = openSys();
const REPOSITORY = "test/image";

interface Asked {
  readonly tag?: string;
  readonly settings?: Partial<ImageSettings>;
  readonly plainHttp?: boolean;
  readonly signal?: AbortSignal;
  readonly image?: string;
}

/** Pulls and returns the tree. */
async function pull(registry: TestRegistry, asked: Asked = {}): Promise<Record<string, string>> {
  using temporary = temporaryDirectory();
  const path = join(temporary.path, "rootfs");
  mkdirSync(path);
  const { tag = "1", settings, plainHttp = false, signal } = asked;
  const image = asked.image ?? `${registry.host}/${REPOSITORY}${tag.startsWith("sha256") ? "@" : ":"}${tag}`;
  const options = { image, isPause: false, layout: undefined, plainHttp, mount: [] };
  await pullImage(sys, { ...options, directory: path }, { ...defaultImageSettings, ...settings }, signal);
  return treeOf(path);
}

const tarOf = (content: string) => packTar([file("f", content)]);
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe("a pull from a registry", () => {
  test("applies layers in order, with whiteouts", async () => {
    await using registry = await startRegistry();
    const lower = await packTar([directory("d/"), file("d/a", "old"), file("d/b", "b"), symlink("l", "d/a")]);
    const upper = await packTar([file("d/.wh.b"), file("d/a", "new")]);
    registry.putImage([lower, upper], "1");
    expect(await pull(registry)).toEqual({ "d/": "", "d/a": "new", l: "-> d/a" });
  });

  test.each([
    ["gzip", (tar: Buffer) => gzipSync(tar)],
    ["zstd", (tar: Buffer) => zstdCompressSync(tar)],
    ["plain", (tar: Buffer) => tar],
  ])("detects %s layers by their content", async (_name, compress) => {
    await using registry = await startRegistry();
    putWith(registry, compress(await tarOf("x")), await tarOf("x"));
    expect(await pull(registry)).toEqual({ f: "x" });
  });

  test("takes the manifest for this machine from an index and fetches no other", async () => {
    await using registry = await startRegistry();
    const other = registry.putImage([await tarOf("other")], "other", "riscv64");
    const own = registry.putImage([await tarOf("own")], "own");
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifests = [
      { mediaType, digest: other, size: 1, platform: { os: "linux", architecture: "riscv64" } },
      { mediaType, digest: own, size: 1, platform: thisPlatform() },
    ];
    const index = registry.put(json({ schemaVersion: 2, manifests }), "1");
    expect(await pull(registry)).toEqual({ f: "own" });
    expect(await pull(registry, { tag: index })).toEqual({ f: "own" });
    expect(registry.requests.join("\n")).not.toContain(other);
    registry.put(json({ schemaVersion: 2, manifests: manifests.slice(0, 1) }), "1");
    await expect(pull(registry)).rejects.toMatchObject({
      message: expect.stringMatching(/: read image: no image for linux\/\w+; available: unnamed for linux\/riscv64$/),
    });
  });

  test("refuses a manifest that doesn't match the requested digest", async () => {
    await using registry = await startRegistry();
    const wanted = registry.putImage([await tarOf("x")], "1");
    const other = registry.putImage([await tarOf("y")], "2");
    registry.handler = (_request, response, { pathname }) => {
      if (!pathname.endsWith(wanted)) return undefined;
      response.writeHead(307, { location: `/v2/${REPOSITORY}/manifests/${other}` }).end();
      return true;
    };
    await expect(pull(registry, { tag: wanted })).rejects.toThrow(`the registry returned ${other}`);
  });

  test("refuses a layer, a configuration and a manifest that don't match their digests", async () => {
    await using registry = await startRegistry();
    const tar = await tarOf("x");
    const layer = gzipSync(tar);
    const other = await tarOf("y");
    const { config } = putWith(registry, layer, tar);
    for (const digest of [digestOf(layer), config]) {
      registry.handler = (_request, response, { pathname }) => {
        if (!pathname.endsWith(digest)) return undefined;
        response.end(digest === config ? "{}" : gzipSync(other));
        return true;
      };
      await expect(pull(registry)).rejects.toThrow(/has digest sha256:\w+, not sha256|is longer than/);
    }
  });

  test("reads no more of a layer than its descriptor says", async () => {
    await using registry = await startRegistry();
    const tar = await tarOf("x");
    putWith(registry, tar, tar, 600);
    await expect(pull(registry)).rejects.toThrow(/layer blobs\/sha256\/\w+ is longer than its 600 bytes/);
  });

  test("stops reading an endless manifest", async () => {
    await using registry = await startRegistry();
    let sent = 0;
    registry.handler = (_request, response) => {
      const more = () => {
        while (!response.destroyed && sent < 64 << 20) {
          sent += 1 << 16;
          if (!response.write(Buffer.alloc(1 << 16, " "))) return void response.once("drain", more);
        }
      };
      more();
      return true;
    };
    await expect(pull(registry)).rejects.toThrow("is too large for a JSON file");
    expect(sent).toBeLessThan(64 << 20);
  });

  test("reports the registry's own message", async () => {
    await using registry = await startRegistry();
    await expect(pull(registry)).rejects.toMatchObject({
      kind: "not-found",
      message: `pull image "${registry.host}/test/image:1": GET http://${registry.host}/v2/test/image/manifests/1: 404 (MANIFEST_UNKNOWN manifest unknown)`,
    });
  });

  test("names a layer whose download breaks off", async () => {
    await using registry = await startRegistry();
    const tar = await packTar([file("f", "x".repeat(100_000))]);
    putWith(registry, tar, tar);
    registry.handler = (_request, response, { pathname }) => {
      if (!pathname.endsWith(digestOf(tar))) return undefined;
      response.writeHead(200, { "content-length": tar.length });
      response.write(tar.subarray(0, 50_000), () => response.destroy());
      return true;
    };
    await expect(pull(registry)).rejects.toThrow(/: unpack layer sha256:\w+: .*(aborted|digest|Unexpected end)/);
  });

  test("ends in the middle of a layer when its time is over or the caller cancels", async () => {
    await using registry = await startRegistry();
    const tar = await tarOf("x");
    putWith(registry, tar, tar);
    registry.handler = (_request, response, { pathname }) => {
      if (!pathname.endsWith(digestOf(tar))) return undefined;
      response.write(tar.subarray(0, 700));
      return true;
    };
    await expect(pull(registry, { settings: { timeoutMs: 300 } })).rejects.toMatchObject({
      kind: "deadline-exceeded",
      message: `pull image "${registry.host}/test/image:1": not finished within 0.3 s (agent.image_pull_timeout)`,
    });
    const giveUp = new AbortController();
    setTimeout(() => giveUp.abort(new Error("given up")), 200);
    await expect(pull(registry, { signal: giveUp.signal })).rejects.toThrow("given up");
  });
});

/** An image with one stored layer; `size` is the size in its descriptor. */
function putWith(registry: TestRegistry, layer: Buffer, tar: Buffer, size = layer.length): { readonly config: string } {
  const rootfs = { type: "layers", diff_ids: [digestOf(tar)] };
  const config = registry.put(json({ ...thisPlatform(), config: {}, rootfs }));
  const mediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip";
  const layers = [{ mediaType, digest: registry.put(layer), size }];
  registry.put(json({ schemaVersion: 2, config: { digest: config }, layers }), "1");
  return { config };
}

test("plain http is refused for other hosts", async () => {
  await using registry = await startRegistry();
  await expect(pull(registry, { image: "registry.invalid/a/b:1" })).rejects.toThrow(
    /^pull image "registry.invalid\/a\/b:1": GET https:\/\/registry.invalid\/v2\/a\/b\/manifests\/1: getaddrinfo/,
  );
  await expect(pull(registry, { image: "registry.invalid/a/b:1", plainHttp: true })).rejects.toThrow(
    "GET http://registry",
  );
});
