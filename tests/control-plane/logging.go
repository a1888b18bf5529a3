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

// logTo sends the logs of the components to the file called name and detaches them from standard output, which belongs
// to the caller of this program. On a fatal error a component calls giveUp, which must not return, instead of ending the
// process. The returned logger is for etcd.
func logTo(name string, giveUp func(why string)) (*zap.Logger, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	os.Stdout = file
	log.SetOutput(file)

	klog.SetLoggerWithOptions(textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(file))), klog.ContextualLogger(true))
	klog.OsExit = func(int) { giveUp("a component cannot go on") }
	// Each component would configure the logging of its process; here they share one process.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	// Deprecation warnings of the API are for users, not for the clients of the components.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})

	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoding), zapcore.Lock(file), zap.WarnLevel)
	return zap.New(core, zap.WithPanicHook(exitHook(giveUp)), zap.WithFatalHook(exitHook(giveUp))), nil
}

// exitHook replaces the panic of etcd's logger.
type exitHook func(why string)

func (giveUp exitHook) OnWrite(entry *zapcore.CheckedEntry, _ []zapcore.Field) {
	giveUp("etcd: " + entry.Message)
}
