import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { ClientOptions } from "@modelcontextprotocol/client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl, startProgram } from "../scenarios/guestctl-process.ts";
import { BAD_INPUT, SANDBOX as sandbox } from "../scenarios/mcp-bad-input.ts";
import { type McpClient, startMcp } from "../scenarios/mcp-client.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const killedClient = join(import.meta.dirname, "../scenarios/killed-mcp-client.ts");

describeInNamespaces("guestctl mcp with an agent of this machine", () => {
  let agent: Awaited<ReturnType<typeof startHostAgent>>;
  let image: string;
  let folder: string;
  let mcp: McpClient;
  const env = () => ({ TMPDIR: agent.directory, XDG_RUNTIME_DIR: agent.directory, XDG_CACHE_HOME: agent.directory });
  // This machine's cgroups may have no controllers.
  const options = () => ["--address", agent.address, "--no-limits", "--image", image, "--max-sandboxes", "2"];
  const start = (more: readonly string[] = [], protocol: ClientOptions = {}) => {
    return startMcp([...options(), ...more], env(), protocol);
  };
  /** Names of the root file systems of containers. */
  const roots = () => readdirSync(agent.directory).filter((name) => name.startsWith("guestd-share-"));
  const exec = (command: string, more = {}) => mcp.call("exec", { sandbox, command, ...more });

  beforeAll(async () => {
    agent = await startHostAgent({ config: "container_logs = 65536" });
    image = agent.rootfs("image");
    folder = join(agent.directory, "shared");
    const secret = join(agent.directory, "secret");
    for (const path of [join(folder, "in"), join(folder, "out"), secret]) mkdirSync(path, { recursive: true });
    writeFileSync(join(folder, "in/file"), "of the host");
    writeFileSync(join(secret, "key"), "secret");
    for (const name of ["in", "out"]) symlinkSync(secret, join(folder, name, "link"));
    mcp = await start(["--folder", join(folder, "in"), "--folder", `${join(folder, "out")}:rw`]);
  });
  afterAll(async () => {
    await mcp?.[Symbol.asyncDispose]();
    await agent?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await mcp.call("sandbox_create", { name: sandbox });
    await mcp.call("file_write", { sandbox, path: "/data/file", content: "content" });
  });
  afterEach(async () => {
    await mcp.call("sandbox_stop", { sandbox });
    expect(roots()).toEqual([]);
  });

  it("describes each tool and all fields of its input", async () => {
    const { tools } = await mcp.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(Object.keys(BAD_INPUT));
    for (const { name, description, inputSchema, outputSchema, annotations } of tools) {
      expect(description, name).toMatch(/\.$/);
      expect(Object.keys(annotations ?? {}), name).toContain("readOnlyHint");
      expect(Object.keys(outputSchema?.["properties"] ?? {}), name).not.toEqual([]);
      for (const [field, schema] of Object.entries(inputSchema.properties ?? {})) {
        expect(schema, `${name} ${field}`).toMatchObject({ description: expect.any(String) });
      }
    }
    expect(mcp.client.getInstructions()).toContain("no network");
  });

  it("runs a command, and returns its exit code and both outputs", async () => {
    const ended = await exec('read line; echo "$line $NAME $PWD"; echo two >&2; exit 3', {
      ...{ stdin: "one\n", env: { NAME: "value" }, cwd: "/data" },
    });
    const complete = { stdout_left_out_bytes: 0, stderr_left_out_bytes: 0 };
    expect(ended).toEqual({
      status: "exited",
      exit_code: 3,
      stdout: "one value /data\n",
      stderr: "two\n",
      ...complete,
    });
    expect(await exec("printf", { args: ["%s", "$HOME *"] })).toMatchObject({ exit_code: 0, stdout: "$HOME *" });
    expect(await exec("kill -9 $$")).toMatchObject({ exit_code: 137, signal: 9 });
    expect(await exec("printf '\\377'")).toMatchObject({
      stdout: "\ufffd",
      notes: [expect.stringMatching(/^stdout: .*UTF-8/)],
    });
  });

  it("returns the beginning and the end of a long output, and says what is left out", async () => {
    const { stdout, stdout_left_out_bytes: leftOut, notes } = await exec("seq 1 5000", { max_output_bytes: 1024 });
    expect(stdout).toMatch(/^1\n2\n3\n[\s\S]*\n\[… \d+ bytes left out …\]\n[\s\S]*\n4999\n5000\n$/);
    expect(leftOut).toBe(23_893 - 1024);
    expect(notes).toEqual([expect.stringContaining(`stdout: ${leftOut} bytes were left out`)]);
  });

  it("kills a command at its time limit, and keeps what it printed", async () => {
    const ended = await exec("echo begun; exec sleep 1000", { timeout_seconds: 0.5 });
    expect(ended).toMatchObject({ status: "timed-out", stdout: "begun\n" });
    expect(ended["id"]).toBe(undefined);
  });

  it("continues a command that takes longer than the call waits", async () => {
    const begun = await exec("while read line; do echo got $line; done; exit 4", {
      ...{ keep_stdin_open: true, stdin: "one\n", wait_seconds: 0 },
    });
    expect(begun["status"]).toBe("running");
    const { id } = begun;
    let stdout = begun["stdout"];
    if (stdout === "") stdout = (await mcp.call("exec_read", { sandbox, id }))["stdout"];
    expect(stdout).toBe("got one\n");
    expect((await mcp.call("sandbox_list"))["sandboxes"]).toMatchObject([
      { sandbox, commands: [{ id, running: true }] },
    ]);
    expect(await mcp.call("exec_write", { sandbox, id, text: "two\n", end: true })).toEqual({ written_bytes: 4 });
    const ended = await mcp.call("exec_read", { sandbox, id, wait_for: "end" });
    expect(ended).toMatchObject({ status: "exited", exit_code: 4, stdout: "got two\n" });
    expect(await mcp.errorOf("exec_read", { sandbox, id })).toMatch(/^not-found: .*its end was reported/);

    const other = await exec("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done", { wait_seconds: 0 });
    await expect.poll(async () => (await exec("ps -o args | grep -c '[t]rap'"))["stdout"]).toBe("1\n");
    const killed = await mcp.call("exec_kill", { sandbox, id: other["id"], wait_seconds: 60 });
    expect(killed).toMatchObject({ status: "exited", exit_code: 5 });
    expect(`${other["stdout"]}${killed["stdout"]}`).toBe("up\nbye\n");
  });

  it("kills a command whose call the client cancels", async () => {
    const cancel = new AbortController();
    const call = { name: "exec", arguments: { sandbox, command: "echo 1 >/data/up; exec sleep 1234" } };
    const calling = mcp.client.callTool(call, { signal: cancel.signal });
    const running = async () => (await exec("ps -o args | grep -c '[s]leep 1234'"))["stdout"];
    await expect.poll(running).toBe("1\n");
    cancel.abort();
    await expect(calling).rejects.toThrow();
    await expect.poll(running).toBe("0\n");
    expect((await mcp.call("sandbox_list"))["sandboxes"]).toMatchObject([{ commands: [] }]);
  });

  it("writes, reads and lists files in parts", async () => {
    const path = "/data/new/file";
    expect(await mcp.call("file_write", { sandbox, path, content: "a€b" })).toEqual({ path, written_bytes: 5 });
    await mcp.call("file_write", { sandbox, path, content: "Yw==", encoding: "base64", mode: "append" });
    const first = await mcp.call("file_read", { sandbox, path, max_bytes: 4 });
    expect(first).toMatchObject({ content: "a€", bytes: 4, file_bytes: 6, left_out_bytes: 2, next_offset: 4 });
    const rest = await mcp.call("file_read", { sandbox, path, offset: 4 });
    expect(rest).toEqual({ content: "bc", encoding: "utf8", offset: 4, bytes: 2, file_bytes: 6, left_out_bytes: 0 });
    const bytes = await mcp.call("file_read", { sandbox, path, offset: 2, max_bytes: 4, encoding: "base64" });
    expect(Buffer.from(String(bytes["content"]), "base64")).toEqual(Buffer.from("a€bc").subarray(2));
    const listed = await mcp.call("file_list", { sandbox, path: "/data", max_entries: 1 });
    expect(listed).toMatchObject({ entries: [{ name: "file", type: "file", bytes: 7 }], left_out_entries: 1 });
    const after = await mcp.call("file_list", { sandbox, path: "/data", after: "file" });
    expect(after).toMatchObject({ entries: [{ name: "new", type: "directory" }], left_out_entries: 0 });
  });

  it("copies between allowed folders and a sandbox", async () => {
    const source = { sandbox, host_path: join(folder, "in"), path: "/data/copied" };
    expect(await mcp.call("copy_in", source)).toMatchObject({ copied: 3, left_out: [] });
    expect((await mcp.call("file_read", { sandbox, path: "/data/copied/file" }))["content"]).toBe("of the host");
    await exec("echo of the sandbox >/data/copied/file");
    const place = { sandbox, host_path: join(folder, "out/back"), path: "/data/copied" };
    expect(await mcp.call("copy_out", place)).toMatchObject({ copied: 3, left_out: [] });
    expect(readFileSync(join(folder, "out/back/file"), "utf8")).toBe("of the sandbox\n");
    expect(readFileSync(join(folder, "in/file"), "utf8")).toBe("of the host");
    // What was copied is a new way out only for the user.
    expect(await mcp.errorOf("copy_in", { ...source, host_path: join(folder, "out/back/link/key") })).toMatch(
      /^permission-denied: /,
    );
    expect(readdirSync(join(folder, "out")).sort()).toEqual(["back", "link"]);
  });

  it("forwards a port once a process listens on it", async () => {
    const server = await exec("nc -ll -p 4000 -e echo hello", { wait_seconds: 0 });
    const forward = await mcp.call("port_forward", { sandbox, port: 4000 });
    const { host_port: hostPort } = forward;
    expect(forward).toEqual({ host_port: hostPort, address: `127.0.0.1:${hostPort}`, port: 4000 });
    expect(await text(connect(Number(hostPort), "127.0.0.1"))).toBe("hello\n");
    const listed = await mcp.call("port_list", { sandbox });
    expect(listed).toMatchObject({
      forwards: [forward],
      ports: expect.arrayContaining([expect.objectContaining({ port: 4000 })]),
    });
    await mcp.call("port_close", { sandbox, host_port: hostPort });
    const [error] = await once(connect(Number(hostPort), "127.0.0.1"), "error");
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
    await mcp.call("exec_kill", { sandbox, id: server["id"], signal: "SIGKILL" });
  });

  it("returns the log of the container's first process", async () => {
    const command = ["sh", "-c", "echo first; echo second >&2; exec sleep 1000"];
    await mcp.call("sandbox_create", { name: "logging", command });
    const log = async () => (await mcp.call("sandbox_logs", { sandbox: "logging" }))["text"];
    await expect.poll(log).toMatch(/^(first\nsecond|second\nfirst)\n$/);
    await mcp.call("sandbox_stop", { sandbox: "logging" });
  });

  it("has no more sandboxes at a time than the user allows", async () => {
    await mcp.call("sandbox_create", { name: "second" });
    const line = await mcp.errorOf("sandbox_create", { name: "third" });
    expect(line).toBe(
      "limit: create sandbox: the session has 2 already; stop one that is no longer needed, or ask the user to start guestctl mcp with --max-sandboxes",
    );
    await mcp.call("sandbox_stop", { sandbox: "second" });
  });

  it("knows no sandbox of another session, which may use the newer protocol", async () => {
    await using other = await start([], { versionNegotiation: { mode: "auto" } });
    expect(other.client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    expect(mcp.client.getNegotiatedProtocolVersion()).toBe("2025-11-25");
    expect(await other.call("sandbox_list")).toEqual({ sandboxes: [] });
    expect(await other.errorOf("exec", { sandbox, command: "true" })).toBe(
      'not-found: sandbox "web": not of this session, it has none; call sandbox_create first',
    );
    expect(await other.errorOf("copy_in", { sandbox, host_path: "/etc/passwd", path: "/" })).toMatch(/^not-found: /);
  });

  it.each(Object.keys(BAD_INPUT))("refuses bad input of %s in one line, and changes nothing", async (tool) => {
    const { id } = await exec("sleep 1000", { wait_seconds: 0 });
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await exec(`nc -ll -p ${port} -e true`, { wait_seconds: 0 });
    const places = { IN: join(folder, "in"), OUT: join(folder, "out"), SLEEP: String(id) };
    const state = async () => {
      const { sandboxes } = await mcp.call("sandbox_list");
      const files = await exec("find /data /etc /root /tmp -type f -exec md5sum {} + | sort; ls -l /mnt /none");
      return [sandboxes, files, roots(), readdirSync(folder, { recursive: true }).map(String).sort()];
    };
    const before = await state();
    for (const [input, line] of BAD_INPUT[tool] ?? []) {
      const own = tool === "sandbox_create" || tool === "sandbox_list" || Object.keys(input).length === 0;
      const json = JSON.stringify(own ? input : { sandbox, ...input }).replaceAll('"PORT"', `${port}`);
      const placed = json.replaceAll(/\b(IN|OUT|SLEEP)\b|\bIN(?=side)/g, (name) => places[name as keyof typeof places]);
      expect(await mcp.errorOf(tool, JSON.parse(placed)), json).toMatch(line);
    }
    expect(await state()).toEqual(before);
    server.close();
  });

  it("reports a tool that doesn't exist", async () => {
    await expect(mcp.client.callTool({ name: "host_exec", arguments: {} })).rejects.toThrow(/host_exec not found/);
    expect(await exec("echo up")).toMatchObject({ stdout: "up\n" });
  });

  it("skips lines that are no messages, and prints nothing but messages", async () => {
    const server = startGuestctl(["mcp", ...options()], { env: env() });
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
    const request = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
    server.type(`nonsense\n{"jsonrpc":"2.0"}\n[]\n\n${request}\n`);
    await server.prints("\n");
    server.child.stdin?.end();
    expect(await server.ended).toBe(0);
    const result = { serverInfo: { name: "guestd" }, protocolVersion: "2025-06-18" };
    expect(JSON.parse(String(server.output.stdout))).toMatchObject({ id: 1, result });
  });

  it("stops its sandboxes when the client closes stdin", async () => {
    const session = await start();
    await session.call("sandbox_create", {});
    expect(roots()).toHaveLength(2);
    await session.client.close();
    await expect.poll(() => existsSync(`/proc/${session.pid}`)).toBe(false);
    expect(roots()).toHaveLength(1);
    expect(session.stderr()).toBe("");
  });

  it("stops its sandboxes at SIGTERM, in the middle of a command", async () => {
    const session = await start();
    const created = await session.call("sandbox_create", {});
    const running = session.call("exec", { sandbox: created["sandbox"], command: "sleep 1000" });
    running.catch(() => undefined);
    process.kill(session.pid, "SIGTERM");
    await session.closed;
    await expect(running).rejects.toThrow();
    await expect.poll(() => existsSync(`/proc/${session.pid}`)).toBe(false);
    expect(roots()).toHaveLength(1);
  });

  it("stops its sandboxes when the client is killed", async () => {
    const client = startProgram([process.execPath, killedClient, ...options()], { env: env() });
    await client.prints("\n");
    const pid = Number(client.output.stdout);
    expect(roots()).toHaveLength(2);
    client.child.kill("SIGKILL");
    await client.ended;
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
    expect(roots()).toHaveLength(1);
  });
});
