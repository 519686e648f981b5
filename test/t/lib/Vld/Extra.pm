# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# For suites with modules of their own: LoadModule lines beside those that
# every server has, and field lines of a response in their order.
package Vld::Extra;
use strict;
use warnings;
use Exporter 'import';
use Time::HiRes ();
use Vld::Test;

our @EXPORT = qw(load_modules lines_of served stop_idle);

# LoadModule lines for those of the modules that are not loaded already.
sub load_modules
{
    my @names = @_;
    my $have = slurp(top() . '/../modules.conf');
    my ($dir) = $have =~ m{"(/[^"]*)/mod_authz_core\.so"}
        or die "modules.conf does not say where modules are\n";
    my $lines = '';
    for my $name (@names) {
        next if $have =~ /^LoadModule ${name}_module /m;
        -e "$dir/mod_$name.so" or die "httpd lacks mod_$name\n";
        $lines .= "LoadModule ${name}_module \"$dir/mod_$name.so\"\n";
    }
    return $lines;
}

# The values of all lines of that name, in their order.
sub lines_of
{
    my ($res, $name) = @_;
    return map { $_->[1] } grep { $_->[0] eq lc $name } @{$res->{lines}};
}

# Stop a server when it has finished its last request.  The event MPM of httpd
# closes the sockets of its workers when it is told to end at once, and may die
# of one that a worker gives up in the same moment.
sub stop_idle
{
    my $server = shift;
    Time::HiRes::sleep(0.3);
    $server->stop;
}

# What a server that has been stopped says of each request in its log: by the
# X-Id of the request "status octets".
sub served
{
    my $server = shift;
    my %said;
    for my $line (split /\n/, slurp($server->log_path)) {
        $said{$1} = "$2 $3" if $line =~ /^(\w+-\d+-\d+) (\d+) \S+ (\d+) /;
    }
    return %said;
}

1;
