import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { Sandbox, SandboxError } from "../../host/sdk/index.ts";
import { thisPlatform } from "../../image/platform.ts";
import { startRegistry } from "../../image/registry/testing/registry.ts";
import { repository } from "../docs/pages.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const page = join(repository, "docs/sdk.md");
const TABLE = /(<!-- sdk errors -->\n)[\s\S]*?(\n<!-- end -->)/;

/** Returns the error of a call that fails. */
async function errorOf(work: () => unknown): Promise<SandboxError> {
  try {
    await (async () => work())();
  } catch (error) {
    expect(error, String(error)).toBeInstanceOf(SandboxError);
    return error as SandboxError;
  }
  throw new Error("the call didn't fail");
}

describeInNamespaces("bad input to the SDK", () => {
  let agent: Awaited<ReturnType<typeof startHostAgent>>;
  let image: string;
  let folder: string;
  const rows: string[] = [];
  beforeAll(async () => {
    agent = await startHostAgent();
    image = agent.rootfs("image");
    folder = join(agent.directory, "input");
    mkdirSync(folder);
    vi.stubEnv("TMPDIR", agent.directory);
    vi.stubEnv("XDG_RUNTIME_DIR", join(agent.directory, "run"));
    vi.stubEnv("XDG_CACHE_HOME", join(agent.directory, "cache"));
    vi.stubEnv("DOCKER_CONFIG", folder);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await agent?.[Symbol.asyncDispose]();
  });

  const here = (options = {}) => Sandbox.create({ image: { path: image }, address: agent.address, ...options });

  /** Each returns the error; its paths and names of this run are replaced by what stands for them. */
  const cases: readonly { readonly what: string; readonly code: string; run(): Promise<SandboxError> }[] = [
    {
      what: "no QEMU",
      code: "not-installed",
      async run() {
        const path = process.env["PATH"];
        const bin = join(folder, "bin"); // with what copies the root file system
        mkdirSync(bin);
        symlinkSync("/bin/cp", join(bin, "cp"));
        vi.stubEnv("PATH", bin);
        try {
          return await errorOf(() => Sandbox.create({ image: { path: image }, name: "web" }));
        } finally {
          vi.stubEnv("PATH", path);
        }
      },
    },
    {
      what: "no such image file",
      code: "not-found",
      run: () => errorOf(() => here({ name: "web", image: "./none.tar" })),
    },
    {
      what: "a file that is no image",
      code: "invalid-image",
      run() {
        writeFileSync(join(folder, "text.tar"), "no tar");
        return errorOf(() => here({ name: "web", image: join(folder, "text.tar") }));
      },
    },
    {
      what: "an image for another processor",
      code: "wrong-platform",
      async run() {
        await using registry = await startRegistry();
        registry.putImage([], "other", thisPlatform().architecture === "arm64" ? "amd64" : "arm64");
        return await errorOf(() => here({ name: "web", image: `${registry.host}/test/image:other` }));
      },
    },
    {
      what: "an image that the registry lacks",
      code: "not-found",
      async run() {
        await using registry = await startRegistry();
        return await errorOf(() => here({ name: "web", image: `${registry.host}/test/image:none` }));
      },
    },
    {
      what: "no registry there",
      code: "unreachable",
      run: () => errorOf(() => here({ name: "web", image: "127.0.0.1:9/a:b" })),
    },
    {
      what: "no permission for a file",
      code: "permission-denied",
      async run() {
        await using sandbox = await here({ name: "web", user: "65534" });
        return await errorOf(() => sandbox.files.write("/etc/passwd", "x"));
      },
    },
    {
      what: "no disk space in the sandbox",
      code: "no-space",
      async run() {
        await using sandbox = await here({ name: "web" });
        return await errorOf(() => sandbox.files.write("/dev/shm/file", Buffer.alloc(70 << 20)));
      },
    },
    {
      what: "a port in use",
      code: "port-in-use",
      async run() {
        await using sandbox = await here({ name: "web" });
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const { port } = server.address() as { port: number };
        try {
          return await errorOf(() => sandbox.forward({ listen: port, to: 80 }));
        } finally {
          server.close();
        }
      },
    },
    {
      what: "a program that the image lacks",
      code: "not-found",
      async run() {
        await using sandbox = await here({ name: "web" });
        return await errorOf(() => sandbox.exec(["nonsense"]));
      },
    },
    {
      what: "an address that is none",
      code: "invalid-argument",
      run: () => errorOf(() => Sandbox.connect("tcp://here:1", { container: "web" })),
    },
    { what: "no sandbox of that name", code: "not-found", run: () => errorOf(() => Sandbox.connect("nobody")) },
    {
      what: "no agent at the address",
      code: "unreachable",
      run: () => errorOf(() => Sandbox.connect(`unix://${folder}/none.sock`, { container: "web" })),
    },
    {
      what: "an agent that was killed and doesn't answer",
      code: "timeout",
      async run() {
        const silent = createServer(() => undefined);
        await new Promise<void>((resolve) => silent.listen(join(folder, "silent.sock"), resolve));
        const address = `unix://${folder}/silent.sock`;
        return await errorOf(() => Sandbox.connect(address, { container: "web", timeoutMs: 200 })).finally(() =>
          silent.close(),
        );
      },
    },
    {
      what: "an agent without guestd.v1.Streams: an old one, or another",
      code: "unsupported",
      async run() {
        await using old = await startHostAgent({ config: "streams_port = 0" });
        vi.stubEnv("TMPDIR", old.directory);
        try {
          const place = { image: { path: old.rootfs("image") }, address: old.address, name: "web" };
          await using sandbox = await Sandbox.create(place);
          const { stdout, exitCode } = await sandbox.exec("cat; exit 2", { stdin: "by calls" });
          expect({ stdout, exitCode }).toEqual({ stdout: "by calls", exitCode: 2 });
          expect(await sandbox.files.read("/etc/passwd", { encoding: "utf8" })).toMatch(/^root:/);
          return await errorOf(() => sandbox.forward({ to: 80 }));
        } finally {
          vi.stubEnv("TMPDIR", agent.directory);
        }
      },
    },
    {
      what: "a network that doesn't exist",
      code: "invalid-argument",
      // As JavaScript passes it.
      run: () =>
        errorOf(() => Reflect.apply(Sandbox.create, Sandbox, [{ image: "a:b", name: "web", network: "bridge" }])),
    },
    {
      what: "a limit with which no container starts",
      code: "invalid-argument",
      run: () => errorOf(() => here({ name: "web", limits: { memory: 512 } })),
    },
    {
      what: "options for a guest with an address",
      code: "invalid-argument",
      run: () => errorOf(() => here({ name: "web", memoryMib: 512 })),
    },
  ];

  it.each(cases)("$what: one line with a remedy", async ({ what, code, run }) => {
    const error = await run();
    expect(error.message).not.toMatch(/\n/);
    expect(error.message.endsWith(`; ${error.remedy}`)).toBe(true);
    expect(error.code, error.message).toBe(code);
    rows.push(`| ${what} | \`${code}\` | ${stable(error.message)} |`);
  });

  function stable(message: string): string {
    const steady = message.replaceAll(/\/\S*\/guestd-test-[\w-]+\/agent-[\w-]+/g, "…");
    // Readers of the page have the package.
    return steady
      .replaceAll("./guestctl", "npx guestctl")
      .replaceAll(/127\.0\.0\.1:\d{2,}/g, "127.0.0.1:5000")
      .replaceAll("|", "\\|");
  }

  it("is the table of docs/sdk.md; GUESTD_WRITE=1 writes it", () => {
    const table = ["| what | code | message |", "|---|---|---|", ...rows].join("\n");
    const text = readFileSync(page, "utf8");
    const wanted = text.replace(TABLE, (_, begin, end) => `${begin}${table}${end}`);
    if (process.env["GUESTD_WRITE"] === "1") writeFileSync(page, wanted);
    expect(TABLE.test(text) && rows.length === cases.length).toBe(true);
    expect(readFileSync(page, "utf8")).toBe(wanted);
  });
});
