import { expect, test } from "vitest";
import { agentService } from "../../../proto/gen/services.js";
import { policyInput } from "./policy-input.ts";

const { CreateContainer, CopyFile } = agentService;

test("fields have their proto names, and unset ones their defaults", () => {
  const bytes = CreateContainer.request.encode({ container_id: "c", OCI: { Process: { Args: ["sh"] } } });
  const input = JSON.parse(policyInput("CreateContainerRequest", CreateContainer.request.decode(bytes)));
  expect(input).toMatchObject({ container_id: "c", exec_id: "", storages: [], sandbox_pidns: false });
  expect(input.OCI).toMatchObject({ Process: { Args: ["sh"], Env: [], Terminal: false, User: null }, Linux: null });
});

test("a field `type` is `type_`, as in rules that were made for Kata's agent; a key of a map is not", () => {
  const OCI = { Mounts: [{ type: "tmpfs" }], Annotations: { type: "x" }, Linux: { Namespaces: [{ Type: "ipc" }] } };
  const bytes = CreateContainer.request.encode({ devices: [{ type: "blk" }], OCI });
  const input = JSON.parse(policyInput("CreateContainerRequest", CreateContainer.request.decode(bytes)));
  expect(input.devices[0]).toMatchObject({ type_: "blk" });
  expect(input.OCI.Mounts[0]).toMatchObject({ type_: "tmpfs" });
  expect([...Object.keys(input.devices[0]), ...Object.keys(input.OCI.Mounts[0])]).not.toContain("type");
  expect(input.OCI.Annotations).toEqual({ type: "x" });
  expect(input.OCI.Linux.Namespaces[0]).toMatchObject({ Type: "ipc" });
});

test("a map's key that every object has is visible like any other", () => {
  const Annotations = Object.fromEntries([
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  const bytes = CreateContainer.request.encode({ OCI: { Annotations } });
  const input = JSON.parse(policyInput("CreateContainerRequest", CreateContainer.request.decode(bytes)));
  expect(Object.entries(input.OCI.Annotations)).toEqual([
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
});

test("CopyFile shows the file type and a link's target, and no data", () => {
  const request = { path: "/p", data: Buffer.from("../x"), file_mode: 0o120777, offset: 3 };
  const link = CopyFile.request.decode(CopyFile.request.encode(request));
  const input = JSON.parse(policyInput("CopyFileRequest", link));
  expect(input).toMatchObject({ path: "/p", file_type: "Symlink", symlink_target: "../x", offset: 3, uid: 0 });
  expect(input).not.toHaveProperty("data");
  const file = JSON.parse(policyInput("CopyFileRequest", { ...link, file_mode: 0o100644 }));
  expect(file).toMatchObject({ file_type: "Regular", symlink_target: null });
});

test("a link whose target is not UTF-8 yields no input", () => {
  const link = { data: Uint8Array.of(0, 0xff), file_mode: 0o120777 };
  expect(() => policyInput("CopyFileRequest", link)).toThrow(/not UTF-8/);
});
