# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
# An httpd with the module for tests of the command line: what is root's and
# what the server's user's is only seen where root starts it.
package CliHttpd;

use strict;
use warnings;
use Cwd qw(abs_path);
use CliTest;
use Exporter qw(import);
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(answer configtest etag facts free_port log_of start stop
    write_configuration);

my $module = abs_path($ENV{MODULE} || '.libs/mod_validators.so')
    or die "no module\n";
my ($httpd) = grep { -x } map { ("$_/apache2", "$_/httpd") }
    split(/:/, $ENV{PATH}), '/usr/sbin';
die "no httpd\n" unless $httpd;
chomp(my $libexec = `apxs -q LIBEXECDIR`);
my $run = "$work/httpd";
my $pid;

sub free_port
{
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
        ->sockport;
}

# user, group: what the children run as; modules: more of httpd's; main: lines
# of the main server before the folder of the site; site: lines in it.
sub write_configuration
{
    my (%how) = @_;
    my $port = free_port();
    mkdir $run;
    my $as = $> == 0 ? "User $how{user}\nGroup $how{group}\n" : '';
    my @modules = ($how{mpm} || 'mpm_event', qw(authz_core unixd),
        @{$how{modules} || []});
    my $load = join '', map { -e "$libexec/mod_$_.so"
        ? "LoadModule ${_}_module $libexec/mod_$_.so\n" : '' } @modules;
    my $main = $how{main} || '';
    my $inside = defined $how{site} ? $how{site} : "ValidatorsEngine On\n";
    my $root = $how{root} || $site;
    spew("$run/httpd.conf", <<"END");
ServerRoot $run
ServerName 127.0.0.1
Listen 127.0.0.1:$port
PidFile $run/pid
ErrorLog $run/error.log
LogLevel info
${as}${load}LoadModule validators_module $module
${main}DocumentRoot $root
<Directory $root>
    Require all granted
    $inside</Directory>
END
    unlink "$run/error.log";
    return $port;
}

# Exit status and output of `httpd -t`.
sub configtest
{
    return finished(background($httpd, '-t', '-f', "$run/httpd.conf"));
}

sub start
{
    my $port = write_configuration(@_);
    $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        POSIX::setsid(); # prefork ends its process group
        open STDERR, '>', "$run/err";
        exec $httpd, '-f', "$run/httpd.conf", '-DFOREGROUND'
            or POSIX::_exit(127);
    }
    # It listens before it has read its configuration to the end.
    my $ended = 0;
    wait_for(20, sub {
        $ended = waitpid($pid, POSIX::WNOHANG()) == $pid;
        return $ended || log_of() =~ /resuming normal operations/;
    }) && !$ended or diag(slurp("$run/err"));
    undef $pid if $ended;
    return $port;
}

sub stop
{
    return unless $pid;
    sleep 0.3;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    undef $pid;
}

END {
    local $?;
    stop();
}

sub answer
{
    my ($port, $name, @fields) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
        or return '';
    print {$s} "GET /$name HTTP/1.0\r\n", (map { "$_\r\n" } @fields), "\r\n";
    local $/;
    my $text = <$s>;
    return defined $text ? $text : '';
}

sub etag
{
    return answer(@_) =~ /^ETag: (\S+)/m ? $1 : '';
}

# Mode, user and group of each.
sub facts
{
    return join ' ', map { my @s = stat $_;
        @s ? sprintf('%o:%d:%d', $s[2] & 07777, @s[4, 5]) : 'none' } @_;
}

sub log_of
{
    my $log = "$run/error.log";
    return -e $log ? slurp($log) : '';
}

1;
