import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, test } from "vitest";
import { services } from "./gen/services.js";

interface WireField {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly repeated: boolean;
  readonly map?: boolean;
  readonly key_type?: string;
  readonly packed_on_wire?: boolean;
  readonly proto3_optional?: boolean;
  readonly oneof?: string;
}

interface WireMethod {
  readonly name: string;
  readonly path: string;
  readonly request: string;
  readonly response: string;
  readonly client_streaming: boolean;
  readonly server_streaming: boolean;
}

interface Wire {
  readonly services: Record<string, { readonly file: string; readonly methods: readonly WireMethod[] }>;
  readonly messages: Record<
    string,
    { readonly file: string; readonly fields: readonly WireField[]; readonly oneofs?: readonly string[] }
  >;
  readonly enums: Record<string, { readonly file: string; readonly values: Record<string, number> }>;
}

/** First number of OCI spec fields that the contract lacks; the reference agent ignores them. */
const FIRST_EXTENSION = 1000;

/** The contract: wire format of Kata 4.1.0. Deployed hosts depend on every line, so it may only grow. */
const wire = JSON.parse(readFileSync(join(import.meta.dirname, "wire.json"), "utf8")) as Wire;

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : join(import.meta.dirname, target));

beforeAll(async () => {
  await root.load(["agent.proto", "health.proto", "guestd.proto"], { keepCase: true });
  root.resolveAll();
});

/** Returns all objects of a kind under the root, by full name without the leading dot. */
function all<T extends protobuf.ReflectionObject>(kind: new (...args: never[]) => T): [string, T][] {
  const found: [string, T][] = [];
  const visit = (object: protobuf.ReflectionObject): void => {
    if (object instanceof kind) found.push([object.fullName.slice(1), object]);
    if (object instanceof protobuf.Namespace) for (const child of object.nestedArray) visit(child);
  };
  visit(root);
  return found;
}

const file = (object: protobuf.ReflectionObject): string =>
  object.fullName.startsWith(".google.protobuf.")
    ? `google/protobuf/${object.name.toLowerCase()}.proto`
    : (object.filename ?? "").slice(import.meta.dirname.length + 1);

const typeName = (field: protobuf.Field): string => field.resolvedType?.fullName.slice(1) ?? field.type;

function describeField(field: protobuf.Field): object {
  const real = field.partOf !== null && !field.partOf.isProto3Optional;
  return {
    name: field.name,
    number: field.id,
    type: typeName(field),
    repeated: field.repeated,
    packed: field.repeated && field.type in protobuf.types.packed && field.packed,
    key: field instanceof protobuf.MapField ? field.keyType : null,
    optional: field.partOf?.isProto3Optional ?? false,
    oneof: real ? field.partOf?.name : null,
  };
}

function expectedField(field: WireField): object {
  return {
    name: field.name,
    number: field.number,
    type: field.type,
    repeated: field.repeated,
    packed: field.packed_on_wire ?? false,
    key: field.map === true ? field.key_type : null,
    optional: field.proto3_optional ?? false,
    oneof: field.oneof ?? null,
  };
}

describe("the .proto files match the contract", () => {
  test("in messages: names, files, fields with number, type, repetition, presence", () => {
    const ours = Object.fromEntries(
      all(protobuf.Type)
        .filter(([name]) => name in wire.messages)
        .map(([name, type]) => {
          const fields = type.fieldsArray.filter((field) => field.id < FIRST_EXTENSION);
          return [name, { file: file(type), fields: fields.toSorted((a, b) => a.id - b.id).map(describeField) }];
        }),
    );
    const theirs = Object.fromEntries(
      Object.entries(wire.messages).map(([name, message]) => [
        name,
        { file: message.file, fields: message.fields.toSorted((a, b) => a.number - b.number).map(expectedField) },
      ]),
    );
    expect(ours).toEqual(theirs);
  });

  test("in enums: names, files, values", () => {
    const ours = Object.fromEntries(
      all(protobuf.Enum)
        .filter(([name]) => name in wire.enums)
        .map(([name, type]) => [name, [file(type), type.values]]),
    );
    const theirs = Object.fromEntries(
      Object.entries(wire.enums).map(([name, type]) => [name, [type.file, type.values]]),
    );
    expect(ours).toEqual(theirs);
  });

  test("in services: names, files, methods with their messages, none streaming", () => {
    const ours = Object.fromEntries(
      all(protobuf.Service)
        .filter(([name]) => !name.startsWith("guestd."))
        .map(([name, service]) => [
          name,
          {
            file: file(service),
            methods: service.methodsArray.map((method) => ({
              name: method.name,
              path: `/${name}/${method.name}`,
              request: method.resolvedRequestType?.fullName.slice(1),
              response: method.resolvedResponseType?.fullName.slice(1),
              client_streaming: method.requestStream ?? false,
              server_streaming: method.responseStream ?? false,
            })),
          },
        ]),
    );
    const theirs = Object.fromEntries(
      Object.entries(wire.services).map(([name, { file, methods }]) => [name, { file, methods }]),
    );
    expect(ours).toEqual(theirs);
  });
});

test("messages of the contract refer to our own only in extension fields", () => {
  const foreign = all(protobuf.Type)
    .filter(([name]) => name in wire.messages)
    .flatMap(([name, type]) => type.fieldsArray.map((field) => [name, field] as const))
    .filter(([, field]) => field.id < FIRST_EXTENSION && field.resolvedType !== null)
    .filter(([, field]) => !(typeName(field) in wire.messages) && !(typeName(field) in wire.enums))
    .map(([name, field]) => `${name}.${field.name}`);
  expect(foreign).toEqual([]);
});

test("the method table has exactly the methods of the .proto files, with the same paths and messages", () => {
  const ours = Object.entries(services).flatMap(([service, methods]) =>
    Object.entries(methods).map(([name, { path, request, response }]) => [
      service,
      name,
      path,
      request.name,
      response.name,
    ]),
  );
  const written = all(protobuf.Service).flatMap(([service, { methodsArray }]) =>
    methodsArray.map((method) => [
      service,
      method.name,
      `/${service}/${method.name}`,
      method.resolvedRequestType?.fullName.slice(1),
      method.resolvedResponseType?.fullName.slice(1),
    ]),
  );
  expect(ours.toSorted()).toEqual(written.toSorted());
  expect(ours.filter(([service]) => service?.startsWith("grpc."))).toHaveLength(44);
});
