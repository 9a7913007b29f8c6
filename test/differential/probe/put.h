/* Prints the probe's lines: "section<TAB>key<TAB>value" with C escapes. */
#include <stdbool.h>

void put(const char *section, const char *key, const char *value);
void put_number(const char *section, const char *key, long long value);
/* Prints a whole file as a value, or why it can't be read. */
void put_file(const char *section, const char *key, const char *path);
/* Prints each line of a file as a value under its number, or under its first word for files like status. */
void put_lines(const char *section, const char *path, bool by_word);

/* The parts of the probe. */
void see_descriptors(void);
void see_namespaces(const char *section);
void see_identity(void);
void see_clocks(void);
void see_nodes(const char *section, const char *directory, int depth);
void see_files(const char *section, const char *directory);
void see_devices(void);
void see_calls(void);
/* Runs as a hook; appends what it sees to `file`. */
int see_hook(const char *kind, const char *file, char *const *args);
