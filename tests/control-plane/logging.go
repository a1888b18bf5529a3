package main

import (
	"log"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

// logTo sends all that the components have to say to the file called name, and makes standard output, which belongs to
// the caller of this program, unreachable for them. A component that finds something hopeless wants to end the process
// there and then; giveUp, which must not return, does it for them. The logger returned is for etcd.
func logTo(name string, giveUp func(why string)) (*zap.Logger, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	os.Stdout = file
	log.SetOutput(file)

	klog.SetLoggerWithOptions(textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(file))), klog.ContextualLogger(true))
	klog.OsExit = func(int) { giveUp("a component cannot go on") }
	// Components would set up logging for their process; here they share one.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	// Deprecation warnings of the API are meant for users, not for the components' own clients.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})

	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoding), zapcore.Lock(file), zap.WarnLevel)
	return zap.New(core, zap.WithPanicHook(exitHook(giveUp)), zap.WithFatalHook(exitHook(giveUp))), nil
}

// exitHook is what etcd's logger does in place of panicking.
type exitHook func(why string)

func (giveUp exitHook) OnWrite(entry *zapcore.CheckedEntry, _ []zapcore.Field) {
	giveUp("etcd: " + entry.Message)
}
