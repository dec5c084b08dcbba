# kwok leaves a command's standard input open when the client closes its end, so `exec -i … cat` would never end.
s/^\(\t*\)_, _ = io.Copy(inPipe, opt.In)$/&\n\1_ = inPipe.Close()/
