import type { Namespace, Method as ReflectedMethod, Service } from "protobufjs";
import protobuf from "protobufjs";

/** Text of a generated module and of its declarations. */
export interface GeneratedModule {
  readonly code: string;
  readonly declarations: string;
}

/**
 * Generates the module of all services: a constant per service, named after it in lower camel case, that holds a Method per
 * call; and `services`, which maps full names ("grpc.Health") to these constants.
 * @param messagesModule where the generated module imports the messages from
 */
export function servicesModule(root: Namespace, messagesModule: string): GeneratedModule {
  const services = allServices(root);
  const messages = new Set(services.flatMap(({ methodsArray }) => methodsArray.flatMap(messageNames)));
  const packages = [...new Set(Array.from(messages, (name) => name.replace(/\..*/, "")))].sort().join(", ");
  const table = (typed: boolean) =>
    services.map((service) => `  ${JSON.stringify(fullName(service))}: ${typed ? "typeof " : ""}${constant(service)},`);
  const code = [
    `import { codec } from "../codec.ts";`,
    `import { ${packages} } from "${messagesModule}";`,
    ...Array.from(messages, (name) => `const ${local(name)} = codec("${name}", ${name});`),
    ...services.flatMap((service) => [
      `export const ${constant(service)} = {`,
      ...service.methodsArray.map((method) => {
        const [request = "", response = ""] = messageNames(method).map(local);
        return `  ${method.name}: { path: "${path(method)}", request: ${request}, response: ${response} },`;
      }),
      "};",
    ]),
    "export const services = {",
    ...table(false),
    "};",
    "",
  ];
  const declarations = [
    `import type { Method } from "../method.ts";`,
    `import type { ${packages} } from "${messagesModule}";`,
    ...services.flatMap((service) => [
      ...(service.comment ? [`/** ${service.comment} */`] : []),
      `export const ${constant(service)}: {`,
      ...service.methodsArray.flatMap((method) => [
        ...(method.comment ? [`  /** ${method.comment} */`] : []),
        `  readonly ${method.name}: Method<${messageNames(method).join(", ")}>;`,
      ]),
      "};",
    ]),
    "/** All services by full name. */",
    "export const services: {",
    ...table(true).map((line) => line.replace(/,$/, ";").replace(/^ {2}/, "  readonly ")),
    "};",
    "",
  ];
  return { code: code.join("\n"), declarations: declarations.join("\n") };
}

function allServices(namespace: Namespace): Service[] {
  return namespace.nestedArray.flatMap((object) => {
    if (object instanceof protobuf.Service) return [object];
    return object instanceof protobuf.Namespace ? allServices(object) : [];
  });
}

const fullName = ({ fullName }: { readonly fullName: string }) => fullName.slice(1);
const constant = ({ name }: Service) => name.charAt(0).toLowerCase() + name.slice(1);
const path = ({ parent, name }: ReflectedMethod) => `/${parent?.fullName.slice(1)}/${name}`;
const local = (message: string) => message.replaceAll(".", "_");

function messageNames(method: ReflectedMethod): string[] {
  method.resolve();
  return [method.resolvedRequestType, method.resolvedResponseType].map((type) => {
    if (type === null) throw new Error(`generate proto/gen: ${method.fullName} names an unknown message`);
    return fullName(type);
  });
}
