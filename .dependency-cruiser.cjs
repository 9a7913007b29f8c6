/** Layers of design: main → transport → service → sandbox → mechanisms → kernel; proto, lib and image (but for lib) are leaves. */
const mechanisms = "container|storage|device|network|guest|metrics";
const layer = (name, from, ...forbidden) => ({
  name,
  severity: "error",
  from: { path: from, pathNot: "\\.test\\.ts$" },
  to: { path: forbidden },
});

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    layer("kernel-is-the-bottom", "^agent/kernel/", `^agent/(?!kernel/)`, "^(proto|host|rootfs-builder|test)/"),
    layer(
      "mechanisms-know-only-kernel",
      `^agent/(${mechanisms})/`,
      "^agent/(main|main\\.ts|transport|service|sandbox)",
      "^(proto|host|rootfs-builder|test)/",
    ),
    ...mechanisms
      .split("|")
      .map((one) => layer(`${one}-stands-alone`, `^agent/${one}/`, `^agent/(?!${one}/)(${mechanisms})/`)),
    layer(
      "sandbox-knows-no-protocol",
      "^agent/sandbox/",
      "^agent/(main|main\\.ts|transport|service)",
      "^(proto|host|rootfs-builder|test)/",
    ),
    layer(
      "service-knows-no-transport",
      "^agent/service/",
      "^agent/(main|main\\.ts|transport)",
      "^(host|rootfs-builder|test)/",
    ),
    layer(
      "transport-knows-only-service",
      "^agent/transport/",
      "^agent/(main|main\\.ts|sandbox|container|storage|device|network|guest|metrics)",
      "^(host|rootfs-builder|test)/",
    ),
    {
      name: "agent-has-only-its-dependencies",
      severity: "error",
      from: { path: "^(agent|proto|lib|image)/", pathNot: "\\.test\\.ts$|/testing/|/build\\.ts$" },
      to: {
        dependencyTypes: ["npm", "npm-dev", "npm-no-pkg", "npm-unknown"],
        pathNot: "^node_modules/(@grpc/grpc-js|pino|protobufjs|tar-stream|yaml)/",
      },
    },
    // The demo installs `dependencies` alone.
    {
      name: "development-alone-has-its-dependencies",
      severity: "error",
      from: { path: "^(agent|proto|lib|image|host|rootfs-builder)/", pathNot: "\\.test\\.tsx?$|/testing/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    },
    layer("main-is-in-the-guest", "^agent/", "^(host|rootfs-builder|test)/"),
    layer("proto-is-a-leaf", "^proto/", "^(agent|host|rootfs-builder|test|image)/"),
    layer("lib-is-a-leaf", "^lib/", "^(agent|host|rootfs-builder|test|image|proto)/"),
    layer("image-is-a-leaf", "^image/(?!testing/)", "^(agent|host|rootfs-builder|test|proto)/"),
    layer("storage-alone-knows-images", "^agent/(?!storage/)", "^image/"),
    // vsock needs the addon, and the private parts of Node stand in one file: agent/kernel/sys/streams.ts.
    // One function of the agent is used there: what `guestctl explain --spec` prints is what CreateContainer would do.
    layer("host-knows-only-proto", "^host/", "^agent/(?!kernel/|service/explain-spec\\.ts)", "^test/"),
    // The conformance suite tests any agent, and is to become a package: it knows none of ours.
    layer(
      "conformance-knows-only-the-client",
      "^host/conformance/",
      "^host/(?!conformance/|client/|vm/|conversation/replay/(first-difference|not-compared)\\.ts|visible\\.ts|private-folder\\.ts)",
      "^(agent|image|rootfs-builder|test)/",
    ),
    // `guestctl image` is the builder's command line; it is loaded by these commands alone. An installed guest gets the
    // initramfs for its kernel from the same code.
    layer(
      "guestctl-image-alone-builds",
      "^host/(?!cli/command/image-|vm/(installed-guest|keep-kernel))",
      "^rootfs-builder/",
    ),
    // Agents are not trusted: what they send is decoded and checked in one place, and the rest of host knows only types.
    // Conversations are bytes of two others; a config.json is the user's; lists of calls are no messages. The shim's messages are
    // its engine's, which is root.
    {
      name: "edge-alone-reads-messages",
      severity: "error",
      from: {
        path: "^host/",
        pathNot: [
          "\\.test\\.ts$|/testing/|^host/(client/edge|conformance|conversation|shim)/",
          "^host/(client/(ttrpc-client|agent-client)|oci/config-json|metrics/scrape-guest)\\.ts$",
        ],
      },
      to: { path: "^proto/gen/", dependencyTypesNot: ["type-only"] },
    },
    // The SDK and guestctl share what keeps guests; a program that uses the SDK loads no command.
    layer("only-commands-know-commands", "^host/(?!cli/|demo/)", "^host/cli/"),
    // The page runs in a browser: it knows what travels between it and the server, and the order of the tree's lines.
    {
      name: "page-knows-only-the-protocol",
      severity: "error",
      from: { path: "^host/page/", pathNot: "\\.test\\.ts$|^host/page/build\\.ts$|/testing/" },
      to: {
        path: "^(agent|proto|lib|image|host|rootfs-builder|release|docs|test)/|^node:",
        pathNot: "^host/page/|^host/serve/protocol/|^host/engine/tree/(tree-rows|short-text)\\.ts$",
      },
    },
    layer("shim-stands-on-the-engine", "^host/shim/", "^host/(?!shim/|engine/|client/|oci/|vm/|[^/]+\\.ts$)"),
    // cli, sdk, serve and mcp stand on the engine: guests, containers, images, templates, networks, the supervisor.
    layer(
      "engine-knows-only-what-is-below",
      "^host/engine/",
      "^host/(?!engine/|client/|vm/|audit/|trace/|[^/]+\\.ts$)",
    ),
    layer("vm-knows-no-guests", "^host/vm/", "^host/(?!vm/|client/|[^/]+\\.ts$)"),
    layer("client-is-at-the-bottom", "^host/client/", "^host/(?!client/|[^/]+\\.ts$)"),
    // Recording, replay and faults serve any agent.
    layer(
      "conversations-know-only-the-client",
      "^host/conversation/",
      "^host/(?!conversation/|client/|visible\\.ts)",
      "^agent/",
    ),
    layer("nothing-knows-the-release", "^(agent|proto|lib|image|host|rootfs-builder)/", "^release/"),
    layer("nothing-knows-the-documentation", "^(agent|proto|lib|image|host|rootfs-builder|release)/", "^docs/"),
    layer("images-know-neither", "^rootfs-builder/", "^(agent|host|test|proto)/"),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(build|coverage)/" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: [".ts", ".tsx", ".js", ".cjs", ".mjs"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
