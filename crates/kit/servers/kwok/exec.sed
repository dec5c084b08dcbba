# Changes to kwok's pkg/utils/exec/exec.go, so that commands in its pods behave as in real ones.

# The command's standard input ends when the client's does: `exec -i … cat` would never end.
s/^\(\t*\)_, _ = io.Copy(inPipe, opt.In)$/&\n\1_ = inPipe.Close()/

# The command's exit code reaches the client.
s/^\t"context"$/&\n\t"errors"/
s#^\t"strings"$#&\n\n\tutilexec "k8s.io/utils/exec"#
/^\t_, err := Command(ctx, name, args...)$/ { n; s/return err/return exited(err)/ }
$ a\
\
func exited(err error) error {\
	var exit *exec.ExitError\
	if errors.As(err, &exit) && exit.Exited() {\
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}\
	}\
	return err\
}
