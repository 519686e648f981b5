#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Whose an index is that httpd makes, and what it does with one of root's.  As
# root where root runs it, since the live suites never are.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Cwd qw(abs_path);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

my $module = abs_path($ENV{MODULE} || '.libs/mod_validators.so')
    or die "no module\n";
my ($httpd) = grep { -x } map { ("$_/apache2", "$_/httpd") }
    split(/:/, $ENV{PATH}), '/usr/sbin';
die "no httpd\n" unless $httpd;
chomp(my $libexec = `apxs -q LIBEXECDIR`);
my $folder = "$work/cache";
my $made = "$folder/validators.mdb";
my $user = $> == 0 ? 65534 : $>;
my $pid;

make_files('big.txt' => 'a large file ' x 20_000, 'other.txt' => 'b' x 200_000);
chmod 0755, $work, $site;

sub start
{
    my $port = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
        ->sockport;
    my $run = "$work/httpd";
    mkdir $run;
    my $as = $> == 0 ? "User #$user\nGroup #$user\n" : '';
    my $load = join '', map { -e "$libexec/mod_$_.so"
        ? "LoadModule ${_}_module $libexec/mod_$_.so\n" : '' }
        qw(mpm_event authz_core unixd);
    spew("$run/httpd.conf", <<"END");
ServerRoot $run
ServerName 127.0.0.1
Listen 127.0.0.1:$port
PidFile $run/pid
ErrorLog $run/error.log
LogLevel info
${as}${load}LoadModule validators_module $module
ValidatorsIndex $made
DocumentRoot $site
<Directory $site>
    Require all granted
    ValidatorsEngine On
</Directory>
END
    unlink "$run/error.log";
    $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        open STDERR, '>', "$run/err";
        exec $httpd, '-f', "$run/httpd.conf", '-DFOREGROUND'
            or POSIX::_exit(127);
    }
    # It listens before it has read its configuration to the end.
    wait_for(20, sub { log_of() =~ /resuming normal operations/ })
        or diag(slurp("$run/err"));
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

sub etag
{
    my ($port, $name) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
        or return '';
    print {$s} "GET /$name HTTP/1.0\r\n\r\n";
    local $/;
    my $text = <$s>;
    return defined $text && $text =~ /^ETag: (\S+)/m ? $1 : '';
}

sub facts
{
    return join ' ', map { my @s = stat $_;
        @s ? sprintf('%o:%d:%d', $s[2] & 07777, @s[4, 5]) : 'none' } @_;
}

sub log_of
{
    my $log = "$work/httpd/error.log";
    return -e $log ? slurp($log) : '';
}

# --- the server's
my $port = start();
like(etag($port, 'big.txt'), qr/^W\/"/, 'a large file has a weak tag at first');
ok(wait_for(15, sub { etag($port, 'big.txt') =~ /^"/ }),
    'and that of its content when the server has indexed it');
my $group = $> == 0 ? $user : (stat $folder)[5];
is(facts($folder), "750:$user:$group",
    'the folder is the server\'s, and nobody else\'s');
is(facts($made, "$made-lock"), "640:$user:$group 660:$user:$group",
    'so are index and lock file');
unlike(log_of(), qr/\[validators:warn\]/, 'nothing is to be complained of');
is(run('-i', $made, 'scan', '--quiet', $site)->{exit}, 0, 'a scan goes along');
is(facts($made, "$made-lock"), "640:$user:$group 660:$user:$group",
    'and leaves it the server\'s');
is(records('-i', $made), 2, 'with every file');
stop();
is(run('-i', $made, $_)->{exit}, 0, "$_ finds nothing wrong")
    for qw(list verify stat);

# --- a deployer's
if ($> == 0) {
    unlink glob "$folder/*";
    rmdir $folder;
    mkdir $folder, 0755;
    is(run('-i', $made, 'scan', '--quiet', "$site/other.txt")->{exit}, 0,
        'root makes an index of its own');
    my $before = facts($made, "$made-lock");
    $port = start();
    like(etag($port, 'other.txt'), qr/^"/, 'the server reads it');
    like(etag($port, 'big.txt'), qr/^W\/"/, 'what is not in it has a weak tag');
    ok(wait_for(15, sub { log_of()
        =~ /\[validators:info\].*ValidatorsAutoIndex is off.*scan/ }),
        'the log says, at level info, that it is not the server\'s to write');
    sleep 0.5;
    is(records('-i', $made), 1, 'nothing is written to it');
    like(etag($port, 'big.txt'), qr/^W\/"/, 'and the tag stays weak');
    is(scalar(() = log_of() =~ /ValidatorsAutoIndex is off/g), 1,
        'which was said once');
    is((stat $made)[4], 0, 'it stays root\'s');
    like($before, qr/^640:0:\d+ 660:0:\d+$/, 'which had given it to a group');
    stop();

    # Another user could change a folder for another one before it is theirs.
    mkdir "$work/theirs", 0755;
    chown 65533, 65533, "$work/theirs";
    $made = "$work/theirs/cache/validators.mdb";
    $port = start();
    ok(!-e "$work/theirs/cache", 'no folder is made below another user\'s');
    like(log_of(), qr{validators:warn.*/theirs/cache: not made.*/theirs; make},
        'the log says why');
    stop();

    # In the server's own it is made with the server's rights.
    chown $user, $user, "$work/theirs";
    $port = start();
    unlike(log_of(), qr{not made}, 'below the server\'s own none is missed');
    etag($port, 'big.txt');
    ok(wait_for(15, sub { etag($port, 'big.txt') =~ /^"/ }),
        'where the children index');
    is(facts("$work/theirs/cache", $made), "750:$user:$user 640:$user:$user",
        'as theirs');
    stop();
}
done_testing();
