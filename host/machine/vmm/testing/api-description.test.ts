import { expect, test } from "vitest";
import { readApi } from "./api-description.ts";

const api = readApi("firecracker-api.yaml");

const LOAD = { snapshot_path: "s", mem_backend: { backend_type: "File", backend_path: "m" } };

test("accepts what the description allows", () => {
  expect(api.request("PUT /snapshot/load", { ...LOAD, vsock_override: { uds_path: "v" } })).toBeUndefined();
  expect(api.request("GET /", undefined)).toBeUndefined();
  expect(api.answer("PUT /snapshot/load", 204, undefined)).toBeUndefined();
  expect(api.answer("GET /", 500, { fault_message: "no" })).toBeUndefined();
});

test.each([
  ["PUT /none", {}, "PUT /none is not in firecracker-api.yaml"],
  ["GET /", {}, "GET / has a body"],
  ["PUT /snapshot/load", undefined, "PUT /snapshot/load: no body"],
  ["PUT /snapshot/load", { snapshot_path: "s" }, "must have required property 'mem_backend'"],
  ["PUT /snapshot/load", { ...LOAD, mem_file_path: "m" }, "must match exactly one schema in oneOf"],
  ["PUT /snapshot/load", { ...LOAD, vsock: "v" }, "must NOT have additional properties"],
  ["PUT /snapshot/load", { ...LOAD, vsock_override: { path: "v" } }, "must have required property 'uds_path'"],
  ["PUT /snapshot/load", { ...LOAD, resume_vm: "yes" }, "data/resume_vm must be boolean"],
  ["PATCH /vm", { state: "Running" }, "must be equal to one of the allowed values"],
])("finds what is wrong with %s %j", (operation, body, problem) => {
  expect(api.request(operation, body)).toContain(problem);
});

test.each([
  ["PATCH /vm", 200, undefined, "PATCH /vm has no answer 200 in firecracker-api.yaml"],
  ["PATCH /vm", 204, {}, "PATCH /vm 204 has a body"],
  ["GET /", 200, { app_name: "x" }, "must have required property 'id'"],
  ["GET /", 200, undefined, "GET / 200: no body"],
])("finds what is wrong with an answer to %s: %d %j", (operation, status, body, problem) => {
  expect(api.answer(operation, status, body)).toContain(problem);
});
