/** The agent's unit tests that run in the sandbox. A test that fails once by the load of the machine kills no mutant. */
export default {
  test: {
    globalSetup: "test/clean-up/global-setup.ts",
    setupFiles: ["test/clean-up/guard-kill.ts"],
    include: ["agent/{container,kernel,sandbox,service,transport}/**/*.test.ts", "test/{plans,transport}/**/*.test.ts"],
    // These need rights over the machine: tmpfs without swap, device filters.
    exclude: ["agent/**/sys-mounts.test.ts", "agent/**/native-addon.test.ts"],
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 10_000,
    retry: 1,
  },
};
