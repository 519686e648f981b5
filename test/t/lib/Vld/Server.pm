# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A private httpd for a suite that needs directives of the whole server.  It
# is a child of the test, stopped with it, by its process id.
package Vld::Server;
use strict;
use warnings;
use Cwd ();
use File::Path ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes ();
use Vld::Http ();

my $top = Cwd::getcwd();
my %running;

sub free_port
{
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0,
        Proto => 'tcp', Listen => 1) or die "no free port: $!\n";
    return $s->sockport;
}

# name: of its folder; conf: text or a sub that is given the object.
sub start
{
    my ($class, %opt) = @_;
    my $root = "$top/private/$opt{name}";
    my $self = bless { %opt, root => $root }, $class;
    for (1 .. 5) {
        File::Path::remove_tree($root);
        File::Path::make_path("$root/htdocs", "$root/index", "$root/logs");
        $opt{prepare}->($self) if $opt{prepare};
        $self->{port} = free_port();
        $self->configure;
        return $self if $self->launch;
        last unless $self->error_log =~ /could not bind|Address already/;
    }
    die "httpd ($opt{name}) does not start:\n" . $self->error_log . "\n";
}

sub configure
{
    my $self = shift;
    my ($root, $port) = @$self{qw(root port)};
    my $conf = ref $self->{conf} ? $self->{conf}->($self) : $self->{conf};
    my $level = $self->{loglevel} || 'info';
    open my $fh, '>', "$root/httpd.conf" or die "$root/httpd.conf: $!\n";
    print {$fh} <<"END";
ServerRoot "$root"
Include "$top/../modules.conf"
Listen 127.0.0.1:$port
ServerName 127.0.0.1:$port
DefaultRuntimeDir "$root/logs"
PidFile "$root/logs/httpd.pid"
ErrorLog "$root/logs/error_log"
LogLevel $level
LogFormat "%{X-Id}i %>s %{validators}n %B %m %U%q" vld
CustomLog "$root/logs/vld_log" vld
TypesConfig "$top/conf/mime.types"
DocumentRoot "$root/htdocs"
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
Include "$top/conf/mpm.conf"
<Directory />
    Options FollowSymLinks
    AllowOverride None
</Directory>
<IfModule mod_validators.c>
    ValidatorsIndex "$root/index/validators.mdb"
</IfModule>
$conf
END
    close $fh or die "$root/httpd.conf: $!\n";
}

sub launch
{
    my $self = shift;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        POSIX::setsid();
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{root}/logs/out";
        open STDERR, '>&', \*STDOUT;
        exec { $ENV{VLD_HTTPD} } $ENV{VLD_HTTPD}, '-f',
            "$self->{root}/httpd.conf", '-DFOREGROUND'
            or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    $running{$pid} = $$;
    for (1 .. 100) {
        if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
            delete $running{$pid};
            return 0;
        }
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->{port}, Proto => 'tcp');
        return 1 if $s && -s "$self->{root}/logs/httpd.pid";
        Time::HiRes::sleep(0.1);
    }
    $self->stop;
    return 0;
}

sub client { my $self = shift; Vld::Http->new(port => $self->{port}, @_) }
sub docs { my $self = shift; join '/', $self->{root}, 'htdocs', @_ }
sub index_path { return "$_[0]{root}/index/validators.mdb" }
sub log_path { return "$_[0]{root}/logs/vld_log" }

sub error_log
{
    my $self = shift;
    my $text = '';
    for my $name (qw(out error_log)) {
        open my $fh, '<', "$self->{root}/logs/$name" or next;
        local $/;
        my $part = <$fh>;
        $text .= $part if defined $part;
    }
    return $text;
}

# The module's lines of the error log, from that octet on, that want somebody to
# act.
sub complaints
{
    my ($self, $from) = @_;
    return grep { /\[validators:(?:emerg|alert|crit|error|warn)\]/ }
        split /\n/, substr $self->error_log, $from || 0;
}

sub graceful { return kill 'USR1', $_[0]{pid} }

# Whether the parent process still runs.
sub alive
{
    my $self = shift;
    return waitpid($self->{pid}, POSIX::WNOHANG()) == 0;
}

# The event MPM may die of a socket that a worker gives up in the moment when it
# is told to end: let the last requests be over.
sub stop
{
    my $self = shift;
    Time::HiRes::sleep(0.3)
        if $self->{pid} && ($ENV{VLD_MPM} || '') eq 'event';
    stop_pid($self->{pid}) if $self->{pid};
    delete $self->{pid};
}

# Every httpd started here leads a process group of its own.
sub stop_pid
{
    my $pid = shift;
    return unless ($running{$pid} || 0) == $$;
    delete $running{$pid};
    kill 'TERM', $pid;
    for (1 .. 100) {
        last if waitpid($pid, POSIX::WNOHANG()) != 0;
        Time::HiRes::sleep(0.05);
    }
    kill 'KILL', -$pid;
    waitpid($pid, 0);
}

sub DESTROY
{
    my $self = shift;
    local ($?, $@, $!);
    $self->stop;
}

END {
    local $?;
    stop_pid($_) for keys %running;
}

1;
