/* open-vfio GROUP ADDRESS...: opens these functions of a VFIO group as a user-space driver does, and prints their ids. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int failed(const char *what) {
  printf("%s: %s\n", what, strerror(errno));
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int container = open("/dev/vfio/vfio", O_RDWR);
  if (container < 0) return failed("/dev/vfio/vfio");
  printf("version %d\n", ioctl(container, VFIO_GET_API_VERSION));
  int group = open(argv[1], O_RDWR);
  if (group < 0) return failed(argv[1]);
  if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0) return failed("VFIO_GROUP_SET_CONTAINER");
  if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU) < 0) return failed("VFIO_SET_IOMMU");
  for (int i = 2; i < argc; i++) {
    int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[i]);
    if (device < 0) return failed(argv[i]);
    struct vfio_region_info config = {.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0) return failed("VFIO_DEVICE_GET_REGION_INFO");
    uint16_t id[2];
    if (pread(device, id, sizeof(id), (off_t)config.offset) != sizeof(id)) return failed("configuration space");
    printf("%s %04x:%04x\n", argv[i], id[0], id[1]);
  }
  return 0;
}
