# Sourced by programs that start Node with a user's arguments. Node reads some of its options wherever they are on its
# command line, also after a script and after --: --env-file sets variables, --experimental-config-file names modules to
# run. So an argument that begins with - or \ gets a \ in front; own-command.ts removes it.
case " $*" in
*' -'* | *' \'*)
  for argument; do
    case $argument in -* | \\*) argument="\\$argument" ;; esac
    set -- "$@" "$argument"
    shift
  done
  ;;
esac
